"""Pictures that nobody has looked at yet: decoded when they are asked for the first time, and kept while they fit.

What is kept of pictures of one size lies in memory that forked processes share, so each picture is decoded once for all
of them. Whatever is kept, and by whom, the pixels are the same.

Shapes: N samples of the listing, B asked for, C channels, H height, W width.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast import progress
from kontrast.data.pixels.decode import DENSE, Broken, Pixels, decode, laid_out, to_channels, to_depth
from kontrast.data.pixels.store import Lost, Read, digest
from kontrast.keyed import Ids

AT_ONCE = 256  # pictures, where all are looked at


class Met:
    """8-bit pictures by sample id. Raises `Lost` for those that cannot be read, with all reasons of one call.

    usable_N  ids that may be asked for
    size      (H, W) of all, as far as it is known; None: they differ, and are given as a list
    folder    where the files are
    memory    bytes of pixels to keep; where pictures of one size would take more, none is kept
    """

    def __init__(
        self,
        read: Read,
        usable_N: npt.NDArray[np.bool_],
        channels: int,
        size: tuple[int, int] | None,
        *,
        folder: Path,
        shorter_side: int | None,
        memory: int,
        workers: int,
    ) -> None:
        self.folder = folder
        self.read, self.usable_N, self.channels, self.size = read, usable_N, channels, size
        self.shorter_side, self.workers, self._left = shorter_side, workers, memory
        self.broken: dict[int, str] = {}
        self._odd: dict[int, Pixels] = {}  # those of another size, or all where sizes differ
        self._met_N = np.frombuffer(mmap.mmap(-1, len(usable_N)), np.uint8, len(usable_N))
        self._stack: Pixels | None = None
        if size is not None and len(usable_N) * channels * prod(size) <= memory:
            self._stack = _shared(len(usable_N), channels, size)

    def __call__(self, ids_B: Ids, workers: int | None = None) -> Tensor | list[Tensor]:
        ids_B = np.asarray(ids_B, dtype=np.int64)
        strange = [int(i) for i in ids_B if not 0 <= i < len(self.usable_N) or not self.usable_N[i]][:3]
        if strange:
            raise ValueError(f"ids: {strange} are not usable samples of this source; use ids from `source.ids`.")
        pixels = self._pixels(ids_B, self.workers if workers is None else workers)
        if lost := {sample: self.broken[sample] for sample in ids_B.tolist() if sample in self.broken}:
            raise Lost(lost)
        if self.size is None or any(sample in self._odd for sample in ids_B.tolist()):
            return [torch.from_numpy(pixels[sample]) for sample in ids_B.tolist()]
        if self._stack is None:
            return torch.from_numpy(laid_out(np.stack([pixels[sample] for sample in ids_B.tolist()])))
        if self._stack.flags.c_contiguous:
            return torch.from_numpy(self._stack[ids_B])
        return torch.from_numpy(self._stack.transpose(0, 2, 3, 1)[ids_B]).permute(0, 3, 1, 2)

    def count(self) -> int:
        """How many were asked for so far."""
        return int(np.count_nonzero(self._met_N))

    def unreadable(self, ids: Ids) -> dict[int, str]:
        """Why, by id, of those of the ids that cannot be read; what nobody asked for so far is looked at now."""
        new = ids[self._met_N[ids] == 0]
        parts = np.array_split(new, -(-len(new) // AT_ONCE)) if len(new) else []
        for part in progress.passing(parts, "reading pictures", each=AT_ONCE, total=len(new)):
            self._pixels(part, self.workers)
        return {sample: self.broken[sample] for sample in ids.tolist() if sample in self.broken}

    def _pixels(self, ids_B: Ids, threads: int) -> dict[int, Pixels]:
        """Pixels by id of what can be read; the reason goes to `broken` of what cannot."""
        kept = {sample: found for sample in ids_B.tolist() if (found := self._kept(sample)) is not None}
        asked = [sample for sample in dict.fromkeys(ids_B.tolist()) if sample not in kept]
        asked = [sample for sample in asked if sample not in self.broken]
        if threads > 1 and len(asked) > 1:
            with ThreadPoolExecutor(threads) as pool:
                seen = list(pool.map(self._decoded, asked))
        else:
            seen = [self._decoded(sample) for sample in asked]
        for sample, one in zip(asked, seen):
            if isinstance(one, str):
                self.broken[sample] = one
            else:
                kept[sample] = self._keep(sample, one)
            self._met_N[sample] = 1 if self._stack is None or sample in self._odd or sample in self.broken else 2
        return kept

    def _kept(self, sample: int) -> Pixels | None:
        if self._stack is not None and self._met_N[sample] == 2:
            row: Pixels = self._stack[sample]
            return row
        return self._odd.get(sample)

    def _keep(self, sample: int, pixels: Pixels) -> Pixels:
        """The same pixels, kept if there is room."""
        if pixels.shape[1:] == self.size:
            if self._stack is not None:
                self._stack[sample] = pixels
            return pixels
        if self.size is not None or pixels.nbytes <= self._left:
            self._left -= pixels.nbytes
            self._odd[sample] = pixels
        return pixels

    def _decoded(self, sample: int) -> Pixels | str:
        """Its pixels, or why there are none."""
        try:
            raw = self.read(sample)
            pixels = decode(raw, self.shorter_side) if isinstance(raw, bytes) else raw
        except Broken as broken:
            return str(broken)
        except (OSError, ValueError) as error:  # no file; a name that can be none
            return f"cannot be read ({(error.strerror if isinstance(error, OSError) else None) or error})"
        return to_channels(to_depth(pixels, np.uint8), self.channels)


def _shared(count: int, channels: int, size: tuple[int, int]) -> Pixels:
    """(N, C, H, W) of zeros that forks share, in the order of `laid_out`; a page takes memory when it is written."""
    shape = (count, channels, *size)
    memory = np.frombuffer(mmap.mmap(-1, max(1, prod(shape))), np.uint8, prod(shape))
    if max(size) <= DENSE:
        return memory.reshape(shape)
    return memory.reshape(count, *size, channels).transpose(0, 3, 1, 2)


class Unread(Mapping[int, bytes]):
    """The hash of each sample's bytes, read when it is asked for. What cannot be read is equal to nothing else.

    size_N  bytes of each file; only files of one size can be equal
    """

    def __init__(self, read: Read, size_N: npt.NDArray[np.int64]) -> None:
        self._read, self._size_N = read, size_N
        self._order = np.argsort(size_N, kind="stable")
        self._known_N = np.zeros(len(size_N), dtype=bool)
        self._digest_N = np.zeros((len(size_N), 16), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._size_N)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __getitem__(self, sample: int) -> bytes:
        if not self._known_N[sample]:
            try:
                found = digest(self._read(int(sample)))
            except (OSError, ValueError):
                found = b"unread" + int(sample).to_bytes(10, "little")
            self._digest_N[sample] = np.frombuffer(found, np.uint8)
            self._known_N[sample] = True
        return bytes(self._digest_N[sample])

    def equal_to(self, sample: int, among_N: npt.NDArray[np.bool_]) -> Ids:
        """Those, ascending, whose bytes are the sample's. Only files of its size are read."""
        size = self._size_N[sample]
        places = (np.searchsorted(self._size_N, size, side, sorter=self._order) for side in ("left", "right"))
        alike = self._order[slice(*places)]
        alike = alike[among_N[alike]]
        if len(alike) <= 1:
            return np.array([sample], dtype=np.int64)
        for each in alike[~self._known_N[alike]].tolist():
            self[each]  # reads it
        self[sample]
        equal: Ids = np.sort(alike[(self._digest_N[alike] == self._digest_N[sample]).all(axis=1)])
        return equal
