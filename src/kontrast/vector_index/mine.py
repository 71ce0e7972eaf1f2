"""Hard negatives: for each anchor of a pair the rows that are near it and are not its positive.

The margins are sentence-transformers' (`mine_hard_negatives`): a candidate stays below the positive's cosine by
`absolute_margin` or by the share `relative_margin` of it, lies between `min_score` and `max_score`, and in the ranks
`range_min` to `range_max`. What each knob dropped is counted, likely positives (above the positive's cosine) apart.

Shapes: Q anchors, G at once, N rows searched, k candidates, M anchors that have n negatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kontrast import progress
from kontrast.errors import Unfit
from kontrast.evaluate.knn import neighbours
from kontrast.keyed import Ids, words
from kontrast.vector_index.layout import Bank

GROUP = 2048  # anchors at once; no result depends on it
SPARE = 32  # candidates beyond the last rank: what is forbidden, and what rounding moves
LIKELY = 1000  # likely positives that are named, the surest first
WHY = ("likely positive", "margin", "below min_score", "above max_score")


@dataclass(frozen=True)
class Knobs:
    """What makes a negative hard, and not a positive in disguise."""

    negatives: int = 1
    range_min: int = 0
    range_max: int = 100
    absolute_margin: float = 0.0
    relative_margin: float = 0.05
    min_score: float = -1.0
    max_score: float = 1.0
    sampling: str = "top"  # or "random": keyed by the anchor

    def __post_init__(self) -> None:
        if not 0 <= self.range_min < self.range_max:
            raise Unfit(f"--range {self.range_min}..{self.range_max}: ranks from 0 on, the first below the last.")
        if self.negatives < 1:
            raise Unfit(f"--negatives {self.negatives}: at least 1 a row.")
        if self.sampling not in ("top", "random"):
            raise Unfit(f"--sampling {self.sampling!r}: top or random was expected.")


@dataclass
class Mined:
    """Rows (M, n) of negatives for those anchors (M,) that have as many; and why others were dropped."""

    anchors: Ids
    rows: Ids
    positive: npt.NDArray[np.float64]  # (Q,) cosine of each anchor with its positive
    negative: npt.NDArray[np.float64]  # (M, n)
    dropped: dict[str, int]
    likely: list[tuple[int, int, float, float]]  # (anchor, row, its cosine, the positive's): closer than the positive

    def lines(self) -> list[str]:
        """Quantiles of the cosines, and what each knob dropped."""
        shares = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
        head = f"{'cosine':<12}" + "".join(f"{f'{share:.0%}':>8}" for share in shares)
        table = [head]
        for name, values in (("positives", self.positive), ("negatives", self.negative.ravel())):
            if values.size:
                table.append(f"{name:<12}" + "".join(f"{v:>8.3f}" for v in np.quantile(values, shares)))
        told = ", ".join(f"{name} {count:,}" for name, count in self.dropped.items() if count)
        return [*table, f"candidates left out: {told or 'none'}"]


def mine(
    anchors: Bank, positive_QD: Bank, bank: Bank, forbidden: Callable[[int, int], bool], knobs: Knobs, *, seed: int = 0
) -> Mined:
    """The negatives of each anchor among the rows of a bank of unit vectors.

    anchors, positive_QD  unit vectors (Q, D) of the anchors and of their positives, read by slices
    forbidden             (anchor, row) -> whether the row is the anchor, its positive, or equal to either

    Candidates are found by fp32 products and scored again, each by itself, in float64: neither the number of anchors at
    once nor the machine decides which of two nearly equal ones comes first.
    """
    dropped = dict.fromkeys(("itself or its positive", *WHY), 0)
    kept: list[tuple[int, list[int], list[float]]] = []
    likely: list[tuple[int, int, float, float]] = []
    own_Q = np.empty(len(anchors))
    k = min(len(bank), knobs.range_max + SPARE)
    for start in progress.passing(range(0, len(anchors), GROUP), "mining", each=GROUP, total=len(anchors)):
        asked_GD, right_GD = anchors[start : start + GROUP], positive_QD[start : start + GROUP]
        own_Q[start : start + GROUP] = (asked_GD.astype(np.float64) * right_GD).sum(axis=1)
        any_bank: Any = bank
        _, row_Gk = neighbours(torch.from_numpy(asked_GD), any_bank, k, unit=True)
        for g, (row_k, score_k) in enumerate(zip(row_Gk.numpy(), _scored(asked_GD, bank, row_Gk.numpy()))):
            q = start + g
            order = sorted(zip((-score_k).tolist(), row_k.tolist()))
            left = [(row, -score) for score, row in order if not forbidden(q, row)]
            dropped["itself or its positive"] += len(order) - len(left)
            fitting = []
            for row, score in left[knobs.range_min : knobs.range_max]:
                why = _refused(score, float(own_Q[q]), knobs)
                if why:
                    dropped[why] += 1
                    if why == "likely positive":
                        likely.append((q, row, score, float(own_Q[q])))
                else:
                    fitting.append((row, score))
            if knobs.sampling == "random":
                fitting.sort(key=lambda found: int(words("mined", seed, q, found[0])))
            if len(fitting) >= knobs.negatives:
                chosen = fitting[: knobs.negatives]
                kept.append((q, [row for row, _ in chosen], [score for _, score in chosen]))
    return Mined(
        np.array([q for q, _, _ in kept], dtype=np.int64),
        np.array([rows for _, rows, _ in kept], dtype=np.int64).reshape(len(kept), knobs.negatives),
        own_Q,
        np.array([scores for _, _, scores in kept]).reshape(len(kept), knobs.negatives),
        dropped,
        sorted(likely, key=lambda found: (found[3] - found[2], found[:2]))[:LIKELY],
    )


def _scored(asked_GD: npt.NDArray[np.float32], bank: Bank, row_Gk: Ids) -> npt.NDArray[np.float64]:
    """The cosines (G, k) of anchors and their candidates in float64, each a sum of its own."""
    take = getattr(bank, "take", None) if not isinstance(bank, np.ndarray) else None
    parts = []
    for start in range(0, len(row_Gk), 64):
        rows = row_Gk[start : start + 64]
        some: npt.NDArray[Any] = take(rows.ravel()) if take else np.asarray(bank)[rows.ravel()]
        some_GkD = some.reshape(*rows.shape, -1).astype(np.float64)
        parts.append((some_GkD * asked_GD[start : start + 64, None]).sum(axis=2))
    return np.concatenate(parts)


def _refused(score: float, own: float, knobs: Knobs) -> str:
    if score > own:
        return "likely positive"
    if score > own - knobs.absolute_margin or score > own * (1 - knobs.relative_margin):
        return "margin"
    if score < knobs.min_score:
        return "below min_score"
    return "above max_score" if score > knobs.max_score else ""


def plain(text: str) -> str:
    """Words without case and blanks: what is equal then is the same sample."""
    return " ".join(text.casefold().split())
