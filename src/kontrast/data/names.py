"""Many names in little room: one run of bytes, and where each name ends.

A million Python strings take some 100 MB and as many objects that forked workers copy by counting references to them;
here they are two blocks of memory. A name is a `str` again when it is asked for.

Shapes: N names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, overload

import numpy as np
import numpy.typing as npt


class Names(Sequence[str]):
    """A sequence of names that are bytes of a file system. Equal to any sequence of the same names."""

    def __init__(self, letters: bytes, ends: npt.NDArray[np.integer[Any]]) -> None:
        self._letters, self._ends = letters, ends

    @classmethod
    def of(cls, names: Sequence[bytes]) -> Names:
        """These names, in this order."""
        ends = np.fromiter(accumulate(map(len, names)), np.int64, len(names))
        small = not len(ends) or ends[-1] < 1 << 32
        return cls(b"".join(names), ends.astype(np.uint32) if small else ends)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        at = range(len(self))[place]  # counts from the end, and raises IndexError beyond it
        return os.fsdecode(self._letters[int(self._ends[at - 1]) if at else 0 : int(self._ends[at])])

    def __iter__(self) -> Iterator[str]:
        return map(os.fsdecode, self._each())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return self._letters == other._letters and np.array_equal(self._ends, other._ends)
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def _each(self) -> Iterator[bytes]:
        start, letters = 0, self._letters
        for end in self._ends.tolist():
            yield letters[start:end]
            start = end

    def digest_of(self, update: Any) -> None:
        """Give all that tells these names from others to a hash."""
        update(self._letters)
        update(self._ends.astype("<u8").tobytes())

    def folders(self, depth: int = 0) -> tuple[npt.NDArray[np.int64], list[str]]:
        """((N,) number of the folder at this depth of each path, -1 where it lies in none; the folders by number)."""
        number: dict[bytes, int] = {}
        found = (_folder(name, depth) for name in self._each())
        of_N = np.fromiter(
            (-1 if one is None else number.setdefault(one, len(number)) for one in found), np.int64, len(self)
        )
        return of_N, [os.fsdecode(name) for name in number]


def _folder(name: bytes, depth: int) -> bytes | None:
    parts = name.split(b"/", depth + 1)
    return parts[depth] if len(parts) > depth + 1 else None
