"""Where the pixels live: decoded once in memory when they fit, else decoded when asked for. The pixels are the same.

`survey` goes over every picture once, decodes it, and so knows the broken ones, sizes, channels and hashes before the
first step. What fits the byte budget is kept.

Shapes: N samples of the source, M usable ones, B asked for, C channels, H height, W width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast import progress
from kontrast.data.pixels.decode import DENSE, Broken, Pixels, decode, laid_out, to_channels, to_depth
from kontrast.data.pixels.headers import unread
from kontrast.errors import Unfit
from kontrast.keyed import Ids

Read: TypeAlias = "Callable[[int], bytes | Pixels]"  # sample id -> encoded, or pixels (C, H, W); OSError or Broken

SMALL_FILE = 8192  # bytes; below, handing a picture to a thread costs more than decoding it
CHUNK = 64  # pictures that a thread takes at a time


class Skipped(NamedTuple):
    """A sample that cannot be used, and why."""

    id: int
    name: str
    reason: str


class Lost(Unfit):
    """Pictures that cannot be read, or are others than when the data were opened.

    reasons  by sample id;  names  those of the source, by id
    """

    def __init__(self, reasons: Mapping[int, str], names: Sequence[str] | None = None) -> None:
        sample, reason = next(iter(reasons.items()))
        first = f"sample {sample}" if names is None else repr(names[sample])
        told = f"{first} cannot be used: {reason}."
        many = f"{len(reasons):,} pictures are broken, gone or others; the first: " if len(reasons) > 1 else ""
        super().__init__(many + told)
        self.reasons, self.names = dict(reasons), names


class Fact(NamedTuple):
    """What one look at a picture told. `shape` is (C, H, W) as it will be read."""

    shape: tuple[int, int, int]
    bits: int
    highest: int  # value of a 16-bit picture, 0 for an 8-bit one
    digest: bytes  # of the encoded bytes
    pages: int = 1  # or frames; the first is read
    bands: int = 0  # of a file that has more than are read, else 0


class Pictures(Protocol):
    """Pixels by sample id: one tensor (B, C, H, W) when all sizes are equal, else a list of (C, H, W)."""

    def __call__(self, ids_B: Ids, workers: int | None = None) -> Tensor | list[Tensor]: ...


@dataclass(frozen=True)
class InMemory:
    """All usable pictures, decoded. `row_N` is the place of each sample id, -1 for those that are not there."""

    stack: Pixels | list[Pixels]  # (M, C, H, W), or M of (C, H, W)
    row_N: Ids

    def __call__(self, ids_B: Ids, workers: int | None = None) -> Tensor | list[Tensor]:
        rows_B = _known(self.row_N, ids_B)
        if isinstance(self.stack, list):
            return [torch.from_numpy(self.stack[row]) for row in rows_B]
        if self.stack.flags.c_contiguous:
            return torch.from_numpy(self.stack[rows_B])
        return torch.from_numpy(self.stack.transpose(0, 2, 3, 1)[rows_B]).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class OnDemand:
    """Pictures decoded when asked for, by `workers` threads (decoding runs outside Python's lock)."""

    read: Read
    row_N: Ids
    channels: int
    dtype: npt.DTypeLike
    white: int
    equal_sizes: bool
    shorter_side: int | None
    workers: int
    digests: Sequence[bytes]  # by row, of the encoded bytes: what was surveyed, and nothing else, is given out

    def __call__(self, ids_B: Ids, workers: int | None = None) -> Tensor | list[Tensor]:
        _known(self.row_N, ids_B)
        threads = self.workers if workers is None else workers
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                read = list(pool.map(self._one, ids_B.tolist()))
        else:
            read = [self._one(sample) for sample in ids_B.tolist()]
        if lost := {sample: why for sample, why in zip(ids_B.tolist(), read) if isinstance(why, str)}:
            raise Lost(lost)
        pixels = [picture for picture in read if not isinstance(picture, str)]
        if self.equal_sizes:
            return torch.from_numpy(laid_out(np.stack(pixels)))
        return [torch.from_numpy(picture) for picture in pixels]

    def _one(self, sample: int) -> Pixels | str:
        """Its pixels, or why there are none any more."""
        try:
            raw = self.read(sample)
            if digest(raw) != self.digests[self.row_N[sample]]:
                return "another file is in its place"
            pixels = _decoded(raw, self.shorter_side)
        except Broken as broken:
            return str(broken)
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        return to_channels(to_depth(pixels, self.dtype, self.white), self.channels)


@dataclass
class Survey:
    """The outcome of looking at every picture once."""

    facts: dict[int, Fact] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)
    kept: list[Pixels] | None = field(default_factory=list)  # in the order of `facts`; None: over the budget


def survey(
    read: Read,
    ids: Sequence[int],
    known: Mapping[int, Fact] | None = None,
    *,
    memory: int,
    shorter_side: int | None,
    workers: int,
) -> Survey:
    """Decode every picture once; keep the pixels while they fit `memory` bytes.

    known: facts from an earlier look, of more pictures than fit memory; these are not looked at again.
    """
    found, held = Survey(), 0
    if known:
        found.kept = None
        found.facts.update({sample: known[sample] for sample in ids if sample in known})
    asked = [i for i in ids if i not in found.facts]
    for sample, seen in progress.passing(
        _looked_at(read, asked, shorter_side, workers), "reading pictures", total=len(asked)
    ):
        if isinstance(seen, str):
            found.broken[sample] = seen
            continue
        fact, pixels = seen
        found.facts[sample] = fact
        held += pixels.nbytes
        if held > memory:
            found.kept = None
        if found.kept is not None:
            found.kept.append(pixels)
    return found


def look(raw: bytes | Pixels, shorter_side: int | None) -> tuple[Fact, Pixels]:
    """One picture, decoded, and what there is to know about it."""
    pixels = _decoded(raw, shorter_side)
    channels, height, width = pixels.shape
    pages, bands = unread(raw) if isinstance(raw, bytes) else (1, 0)
    deep = pixels.dtype == np.uint16
    highest = int(pixels.max()) if deep else 0
    return Fact((channels, height, width), 16 if deep else 8, highest, digest(raw), pages, bands), pixels


def digest(raw: bytes | Pixels) -> bytes:
    """A hash of a picture as it lies there."""
    return hashlib.blake2b(raw if isinstance(raw, bytes) else raw.tobytes(), digest_size=16).digest()


def store(
    found: Survey,
    lead_N: Ids,
    read: Read,
    *,
    channels: int,
    bits: int,
    white: int,
    shorter_side: int | None,
    workers: int,
) -> Pictures:
    """The pictures of a survey, all with these channels and this depth.

    lead_N: for each sample, the surveyed one that has its picture; -1 where it has none. white: 1 in 16-bit pictures.
    """
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    row_of = {sample: row for row, sample in enumerate(found.facts)}
    row_N = np.array([row_of.get(sample, -1) for sample in lead_N.tolist()], dtype=np.int64)
    sizes = {fact.shape[1:] for fact in found.facts.values()}
    if found.kept is None:
        digests = [fact.digest for fact in found.facts.values()]
        return OnDemand(read, row_N, channels, dtype, white, len(sizes) == 1, shorter_side, workers, digests)
    if len(sizes) > 1:
        return InMemory([to_channels(to_depth(pixels, dtype, white), channels) for pixels in found.kept], row_N)
    side = sizes.pop()
    stack = np.empty((len(found.kept), channels, *side), dtype=dtype)
    if max(side) > DENSE:  # the order of `laid_out`
        stack = np.empty((len(found.kept), *side, channels), dtype=dtype).transpose(0, 3, 1, 2)
    for row, pixels in enumerate(progress.passing(found.kept, "laying pictures out")):
        stack[row] = to_channels(to_depth(pixels, dtype, white), channels)
    return InMemory(stack, row_N)


def _decoded(raw: bytes | Pixels, shorter_side: int | None) -> Pixels:
    return decode(raw, shorter_side) if isinstance(raw, bytes) else raw


def _looked_at(
    read: Read, ids: Sequence[int], shorter_side: int | None, workers: int
) -> Iterator[tuple[int, tuple[Fact, Pixels] | str]]:
    """(sample id, what was seen or why it is broken) in the order of `ids`, a bounded number at a time."""

    def one(sample: int) -> tuple[int, tuple[Fact, Pixels] | str]:
        try:
            return sample, look(read(sample), shorter_side)
        except Broken as broken:
            return sample, str(broken)
        except (OSError, ValueError) as error:  # no file; a name that can be none
            return sample, f"cannot be read ({(error.strerror if isinstance(error, OSError) else None) or error})"

    def many(samples: list[int]) -> list[tuple[int, tuple[Fact, Pixels] | str]]:
        return [one(sample) for sample in samples]

    if workers <= 1 or _small(read, ids):
        yield from map(one, ids)
        return
    rest = iter(ids)
    with ThreadPoolExecutor(workers) as pool:
        while True:
            parts = [part for _ in range(4 * workers) if (part := list(islice(rest, CHUNK // 8)))]
            if not parts:
                return
            for done in pool.map(many, parts):
                yield from done


def _small(read: Read, ids: Sequence[int]) -> bool:
    sizes = []
    for sample in ids[:16]:
        try:
            sizes.append(len(read(sample)))
        except (OSError, ValueError):
            continue
    return not sizes or sum(sizes) / len(sizes) < SMALL_FILE


def _known(row_N: Ids, ids_B: Ids) -> Ids:
    ids_B = np.asarray(ids_B, dtype=np.int64)
    if len(ids_B) and (ids_B.min() < 0 or ids_B.max() >= len(row_N) or (row_N[ids_B] < 0).any()):
        strange = [int(i) for i in ids_B if not 0 <= i < len(row_N) or row_N[i] < 0][:3]
        raise ValueError(f"ids: {strange} are not usable samples of this source; use ids from `source.ids`.")
    return row_N[ids_B]
