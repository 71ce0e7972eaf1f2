"""All pairs of an index that are near each other, found once; thresholds move afterwards without another scan.

Rows are compared in blocks, so memory does not grow with their square.

Shapes: N rows, B rows of a block.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kontrast import progress
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.vector_index import looks
from kontrast.vector_index.layout import Bank, Index

BLOCK = 4096
LEAST = {"looks": 0.6, "model": 0.75}  # cosine from which on pairs are kept for looking, by what is compared
MOST = 20_000_000  # pairs that are kept: more say that the threshold is far too low


@dataclass(frozen=True)
class Near:
    """Pairs of rows (first < second) with their cosines, nearest first; equal ones by row."""

    first: Ids
    second: Ids
    cosine: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)

    def above(self, threshold: float) -> Near:
        """Those of this cosine at least."""
        kept = self.cosine >= threshold
        return Near(self.first[kept], self.second[kept], self.cosine[kept])


def near_pairs(index: Index, least: float, other: Index | None = None, *, by: str = "model") -> Near:
    """Every pair of rows whose cosine is at least `least`: kept beside the index, so a higher threshold needs no scan.

    other  another index of the same model; then pairs of a row of the first (`first`) and a row of the other
    by     cosine of what: "model", the vectors; "looks", what the pictures look like from afar

    Unfit for a bound that is no cosine, one so low that nearly all is near everything, and for indexes of two models.
    """
    if not -1 <= least <= 1:
        raise Unfit(f"--from {least}: a cosine from -1 to 1 was expected.")
    if other is not None and other.meta.weights != index.meta.weights:
        raise Unfit(f"{index.folder} and {other.folder} were made by two models: their vectors cannot be compared.")
    mark = index.mark + ("" if other is None else other.mark)
    file = _file(index, other, by)
    try:
        with np.load(file) as kept:
            if str(kept["mark"]) == mark and float(kept["least"]) <= least:
                return Near(kept["first"], kept["second"], kept["cosine"]).above(least)
    except (OSError, ValueError, KeyError):
        pass
    near = compared(*_banks(index, other, by), least)
    part = file.with_name(f".{file.stem}.{os.getpid()}.npz")
    with suppress(OSError):  # in somebody else's folder
        np.savez(part, mark=mark, least=least, first=near.first, second=near.second, cosine=near.cosine)
        part.replace(file)
    return near


def scanned(index: Index, by: str) -> bool:
    """Whether all pairs were compared before, so that `near_pairs` from `LEAST` on answers at once."""
    try:
        with np.load(_file(index, None, by)) as kept:
            return str(kept["mark"]) == index.mark and float(kept["least"]) <= LEAST[by]
    except (OSError, ValueError, KeyError):
        return False


def _file(index: Index, other: Index | None, by: str) -> Path:
    return index.folder / (f"near-{by}.npz" if other is None else f"near-{by}.{other.mark[:12]}.npz")


def _banks(index: Index, other: Index | None, by: str) -> tuple[Bank, Bank | None]:
    """What is compared, of both indexes; both by the looks of the first."""
    if by == "model":
        return index.vectors, None if other is None else other.vectors
    if not index.meta.thumbnail or not (other is None or other.meta.thumbnail):
        raise Unfit(f"--by looks: {index.folder} keeps no pictures; make it with --thumbnail 64, or take --by model.")
    raw = looks.raw(index)
    white = looks.whitening(raw)
    return white(raw), None if other is None else white(looks.raw(other))


def compared(index: Bank, other: Bank | None, least: float) -> Near:
    """The same, by blocks of rows: the same products every time, so no block decides which pairs are found."""
    none = np.zeros(0, np.int64)
    parts: list[tuple[Ids, Ids, npt.NDArray[np.float32]]] = [(none, none, np.zeros(0, np.float32))]
    bank, total = index if other is None else other, 0
    for start in progress.passing(range(0, len(index), BLOCK), "comparing all pairs", each=BLOCK, total=len(index)):
        here = torch.from_numpy(index[start : start + BLOCK])
        for place in range(start if other is None else 0, len(bank), BLOCK):
            own = other is None and place == start
            there = here if own else torch.from_numpy(bank[place : place + BLOCK])
            score_BB = here @ there.T
            i, j = torch.nonzero(score_BB >= least, as_tuple=True)
            if own:
                i, j = i[i < j], j[i < j]
            parts.append(((i + start).numpy(), (j + place).numpy(), score_BB[i, j].clamp(max=1).numpy()))
            total += len(i)
            if total > MOST:
                raise Unfit(
                    f"More than {MOST:,} pairs have a cosine of at least {least:g}: nearly all is near everything. "
                    "Take a higher --from."
                )
    first, second, cosine = (np.concatenate(column) for column in zip(*parts))
    order = np.lexsort((second, first, -cosine))
    return Near(first[order], second[order], cosine[order])


def groups_of(near: Near, rows: int) -> Ids:
    """(N,): the group of each row, named by its first row: rows that a chain of near pairs connects."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(near), dtype=np.int8)
    _, part_N = connected_components(coo_matrix((ones, (near.first, near.second)), shape=(rows, rows)), directed=False)
    first_of_part = np.full(part_N.max() + 1, rows, dtype=np.int64)
    np.minimum.at(first_of_part, part_N, np.arange(rows))
    groups: Ids = first_of_part[part_N]
    return groups


def across(near: Near, split: Sequence[str | None]) -> Near:
    """The pairs whose two rows lie in different splits: leaks."""
    names = np.array([str(name) for name in split], dtype=object)
    apart = names[near.first] != names[near.second]
    return Near(near.first[apart], near.second[apart], near.cosine[apart])


def either_side(near: Near, threshold: float, count: int = 10) -> tuple[Near, Near]:
    """The `count` pairs just above a threshold and the `count` just below it: what the threshold decides."""
    cut = int(np.searchsorted(-near.cosine, -threshold, side="right"))
    above, below = slice(max(0, cut - count), cut), slice(cut, cut + count)
    return (
        Near(near.first[above], near.second[above], near.cosine[above]),
        Near(near.first[below], near.second[below], near.cosine[below]),
    )


def suggested(near: Near) -> tuple[float, str]:
    """(a threshold from the pairs themselves, why): the valley between copies, which are near 1, and likenesses.

    Pairs are counted in steps of 0.02. Going down from 0.98 likenesses become many, as copies become few: the line is
    drawn below the step with the fewest pairs, the lowest of several. Where nothing was copied it stands at the top.
    """
    floor = float(near.cosine.min()) if len(near) else 0.96
    edges = np.round(np.arange(0.98, floor - 0.02, -0.02), 3)
    counts = np.searchsorted(-near.cosine, -edges, side="right")
    added = np.diff(counts)
    if not len(added):
        return 0.98, "no pair is less alike"
    place = len(added) - 1 - int(np.argmin(added[::-1]))
    return float(edges[place + 1]), f"the fewest pairs lie just above it: {int(added[place]):,} within 0.02"
