"""All rows on the map: which of them are drawn of the visible part, and which lie within a line that was drawn.

A browser draws some thousand points. Rows stand in a keyed random order, and the first that lie in the visible part are
drawn: a sample of what is there, and whoever comes nearer sees the same points and more between them.

Shapes: N rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast import keyed
from kontrast.keyed import Ids
from kontrast.report.map_plot import CLASSES, Box, Places, around, classes, density

DRAWN = 8_000  # points at once
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Classes:
    """A column as colours: its values that have one of their own, and the place of each row's among them (-1: none)."""

    values: list[str]
    codes: npt.NDArray[np.int8]

    def called(self, code: int) -> str:
        """What a class is called."""
        return "others" if code < 0 else self.values[code] or "without"

    def counts(self, rows: Ids) -> dict[int, int]:
        """How many of these rows each has."""
        counts = np.bincount(self.codes[rows] + 1)
        return {int(place) - 1: int(counts[place]) for place in np.flatnonzero(counts)}

    @cached_property
    def sizes(self) -> dict[int, int]:
        """How many rows each has."""
        return self.counts(np.arange(len(self.codes)))


class Points:
    """places (N, 2)."""

    def __init__(self, places: Places, *, seed: int = 0) -> None:
        self.places, self.box = places, around(places)
        self._order = keyed.permuted(np.arange(len(places)), len(places), "explore", seed)
        self._x, self._y = np.ascontiguousarray(places[self._order].T)

    def __len__(self) -> int:
        return len(self.places)

    def seen(self, box: Box, only: Mask | None = None, most: int = DRAWN) -> tuple[Ids, int]:
        """(rows to draw of this part, how many rows it holds); `only`: (N,), the rows that count."""
        left, bottom, right, top = box
        here = (self._x >= left) & (self._x <= right) & (self._y >= bottom) & (self._y <= top)
        if only is not None:
            here &= only[self._order]
        places = np.flatnonzero(here)
        rows: Ids = self._order[places[:most]]
        return rows, len(places)

    @cached_property
    def density(self) -> dict[str, list[Any]]:
        """How many of all rows lie where: what the page shows first, made once."""
        return density(self.places, self.box)

    def within(self, x: npt.ArrayLike, y: npt.ArrayLike, only: Mask | None = None) -> Ids:
        """The rows, of all, that lie within a closed line through these corners: those that it goes round oddly often.

        Raises ValueError for fewer than three corners, and for such that are not finite.
        """
        line = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=1)
        if len(line) < 3 or not np.isfinite(line).all():
            raise ValueError("A line around points needs three corners or more, all of them finite.")
        low, high = line.min(axis=0), line.max(axis=0)
        here = ((self.places >= low) & (self.places <= high)).all(axis=1)
        rows = np.flatnonzero(here if only is None else here & only)
        rows = rows[np.argsort(self.places[rows, 1], kind="stable")]  # by height: an edge meets few of them
        places = self.places[rows].astype(np.float64)
        inside = np.zeros(len(rows), dtype=bool)
        for (x0, y0), (x1, y1) in zip(line, np.roll(line, -1, axis=0)):
            first, last = np.searchsorted(places[:, 1], sorted((y0, y1)))
            some = places[first:last]
            if len(some):
                inside[first:last] ^= some[:, 0] < x0 + (some[:, 1] - y0) / (y1 - y0) * (x1 - x0)
        return np.sort(rows[inside])


def classes_of(column: Any) -> Classes | None:
    """The colours of a pyarrow column; None where it has no few values that most rows share."""
    import pyarrow as pa

    words = column.cast(pa.string()).combine_chunks().fill_null("").dictionary_encode()
    codes = words.indices.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(words.dictionary))
    frequent = np.flatnonzero(counts >= np.sort(counts)[-CLASSES:][0])
    if np.sort(counts)[-CLASSES:].sum() <= len(codes) / 2 or len(counts) < 2:
        return None
    named = words.dictionary.take(frequent).to_pylist()
    top = classes(named, counts[frequent], len(codes))
    number = np.full(len(counts), -1, np.int8)
    number[[frequent[named.index(word)] for word in top]] = np.arange(len(top))
    return Classes(top, number[codes])
