"""What a format is: a folder that a library (or nothing but its own file) loads, one file here each.

`formats.FORMATS` lists them. No format trusts itself: what it wrote is read again, by the library that the folder is
for where it is there, and compared with the model in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from kontrast.errors import Failed
from kontrast.exchange.card import About, Certificate

TOLERANCE = 1e-4  # largest difference over largest value; the same kernels in fp32 give 0


class Format(Protocol):
    """A format. `model` is a model in use, as `kontrast.load` gives it.

    needs  modules that `kontrast export` must find, to prove the folder by the library it is for -> what brings each
    """

    needs: Mapping[str, str]

    def says_it(self, model: Any) -> str:
        """Why the format cannot say this model, in words that end a sentence; "" where it can."""

    def write(self, folder: Path, model: Any, about: About) -> Certificate:
        """Write the folder with its card. Failed where it gives other vectors when it is read again."""

    def read(self, folder: Path) -> Any:
        """What the folder's readers load."""


def compared(folder: Path, live: Sequence[Tensor], again: Sequence[Tensor]) -> tuple[float, float]:
    """(largest difference, largest value) of vectors in memory and of the same read again; Failed if they differ."""
    difference = max(float((one - other).abs().max()) for one, other in zip(live, again, strict=True))
    largest = max(float(one.abs().max()) for one in live)
    if not difference <= TOLERANCE * max(1.0, largest):
        raise Failed(
            f"{folder} was written but gives other vectors when it is read again (difference {difference:.2g})."
        )
    return difference, largest
