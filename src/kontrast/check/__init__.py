"""Know the data before the first step: what is broken, repeated, leaked or odd, what suits them, how long it takes."""
