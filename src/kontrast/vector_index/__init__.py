"""An index: what a model makes of data, embedded once, and everything that is asked of it afterwards."""
