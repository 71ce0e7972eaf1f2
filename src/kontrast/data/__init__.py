"""What can be read, the order it comes in, and the batches made of it."""

from kontrast.data.open import Source, held_out, open_source

__all__ = ["Source", "held_out", "open_source"]
