"""The loss of pure guessing: what each loss gives when all similarities are equal. Printed beside every loss."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def _left(batch: int, views: int, ids_B: Tensor | None, groups_B: Tensor | None) -> Tensor:
    """Negatives of each sample's rows, float64 (B,)."""
    same_BB = torch.eye(batch, dtype=torch.bool)
    for name_B in (ids_B, groups_B):
        if name_B is not None:
            same_BB |= name_B.cpu()[:, None] == name_B.cpu()[None]
    return views * (~same_BB).sum(1).double()


def _softmax(negatives: Tensor, positives: int, decoupled: bool) -> float:
    candidates = negatives if decoupled else negatives + positives
    return (
        float(candidates[negatives > 0].log().sum() / len(negatives)) if decoupled else float(candidates.log().mean())
    )


def _nt_xent(
    batch: int,
    views: int = 2,
    negatives: int = 0,
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
) -> float:
    return _softmax(_left(batch, views, ids_B, groups_B) + negatives, views - 1, decoupled)


def _clip(batch: int, decoupled: bool = False, ids_B: Tensor | None = None, groups_B: Tensor | None = None) -> float:
    return _softmax(_left(batch, 1, ids_B, groups_B), 1, decoupled)


def _info_nce(keys: int, negatives: int = 0, own_positive: bool = False, decoupled: bool = False) -> float:
    others = keys + negatives - (0 if own_positive else 1)
    return math.log(others if decoupled else others + 1)


def _swapped_prediction(prototypes: int) -> float:
    return math.log(prototypes)


def _byol(directions: int = 2) -> float:
    return 2.0 * directions


def _barlow_twins(batch: int, width: int, off_diagonal_weight: float = 0.0051) -> float:
    return width * (1 + 1 / (batch - 1)) + off_diagonal_weight * width * (width - 1) / (batch - 1)


CHANCE: dict[str, Callable[..., float]] = {
    "nt_xent": _nt_xent,
    "info_nce": _info_nce,
    "clip": _clip,
    "swapped_prediction": _swapped_prediction,
    "byol": _byol,
    "barlow_twins": _barlow_twins,
}


def chance(name: str, **needs: object) -> float:
    """The value of loss `name` at equal similarities, in the loss's own units.

    >>> chance("nt_xent", batch=256)   # ln(2 * 256 - 1)
    6.236...
    """
    if name not in CHANCE:
        raise ValueError(f"chance is known for {', '.join(CHANCE)}; got {name!r}")
    return CHANCE[name](**needs)
