"""The loss of pure guessing: what a loss gives when all similarities are equal. Printed beside every loss.

A loss that does not leave this value has not begun to learn.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def chance(name: str, **needs: Any) -> float:
    """The value of the loss `name` at equal similarities, in the loss's own units.

    What each needs (defaults after =; ids_B and groups_B as in the loss):

        nt_xent              batch, views=2, negatives=0, decoupled=False, ids_B=None, groups_B=None
        dclw                 batch, ids_B=None, groups_B=None
        info_nce             keys, negatives=0, own_positive=False, decoupled=False
        clip                 batch, decoupled=False, ids_B=None, groups_B=None
        siglip               batch, bias
        sup_con              rows
        margin               similar, margin=1.0
        swapped_prediction   prototypes
        byol                 directions=2
        barlow_twins         batch, width, off_diagonal_weight=0.0051
        alignment            exponent=2
        uniformity           width, t=2

    margin: similar is the share of similar pairs; one distance for all pairs costs at least similar (1 - similar)
    margin^2 / 2.
    info_nce: own_positive says that the positive is not among the keys (MoCo: keys is the fill of the queue).

    >>> round(chance("nt_xent", batch=256), 3)
    6.236
    """
    if name not in _CHANCE:
        raise ValueError(f"chance is known for {', '.join(_CHANCE)}; got {name!r}")
    try:
        bound = inspect.signature(_CHANCE[name]).bind(**needs)
    except TypeError as problem:
        raise ValueError(f"chance of {name} takes {inspect.signature(_CHANCE[name])}: {problem}") from None
    return _CHANCE[name](*bound.args, **bound.kwargs)


def _softmax(negatives_B: Tensor, positives: int, decoupled: bool) -> float:
    """Mean of the log of the number of candidates; a row with no negative counts 0."""
    candidates_B = negatives_B + (0 if decoupled else positives)
    return float(candidates_B.log().masked_fill(negatives_B == 0, 0.0 if decoupled else math.log(positives)).mean())


def _negatives(batch: int, ids_B: Tensor | None, groups_B: Tensor | None) -> Tensor:
    """How many samples are each sample's negatives, (B,) float64."""
    names = [name_B for name_B in (ids_B, groups_B) if name_B is not None]
    if not names:
        return torch.full((batch,), batch - 1.0, dtype=torch.float64)
    same_BB = torch.stack([name_B.cpu()[:, None] == name_B.cpu() for name_B in names]).any(0)
    return (~same_BB).sum(1).double()


def _nt_xent(
    *,
    batch: int,
    views: int = 2,
    negatives: int = 0,
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
) -> float:
    return _softmax(_negatives(batch, ids_B, groups_B) * views + negatives, views - 1, decoupled)


def _dclw(*, batch: int, ids_B: Tensor | None = None, groups_B: Tensor | None = None) -> float:
    return _nt_xent(batch=batch, decoupled=True, ids_B=ids_B, groups_B=groups_B)


def _clip(*, batch: int, decoupled: bool = False, ids_B: Tensor | None = None, groups_B: Tensor | None = None) -> float:
    return _softmax(_negatives(batch, ids_B, groups_B), 1, decoupled)


def _info_nce(*, keys: int, negatives: int = 0, own_positive: bool = False, decoupled: bool = False) -> float:
    others = keys + negatives - (0 if own_positive else 1)
    return math.log(others if decoupled else others + 1) if others > 0 else 0.0


def _siglip(*, batch: int, bias: float) -> float:
    def softplus(x: float) -> float:
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    return softplus(-bias) + (batch - 1) * softplus(bias)


def _barlow_twins(*, batch: int, width: int, off_diagonal_weight: float = 0.0051) -> float:
    return width * (1 + 1 / (batch - 1)) + off_diagonal_weight * width * (width - 1) / (batch - 1)


def _uniformity(*, width: int, t: float = 2.0) -> float:
    """-2t + ln E exp(2t <x, y>) for independent x, y uniform on the sphere, by its power series."""
    term, total, n = 1.0, 1.0, 0
    while term > 1e-17 * total:
        n += 1
        term *= t * t / (n * (width / 2 + n - 1))
        total += term
    return math.log(total) - 2 * t


def _sup_con(*, rows: int) -> float:
    return math.log(rows - 1)


def _margin(*, similar: float, margin: float = 1.0) -> float:
    return similar * (1 - similar) * margin**2 / 2


def _swapped_prediction(*, prototypes: int) -> float:
    return math.log(prototypes)


def _byol(*, directions: int = 2) -> float:
    return 2.0 * directions


def _alignment(*, exponent: float = 2.0) -> float:
    return float(2.0 ** (exponent / 2))


_CHANCE: dict[str, Callable[..., float]] = {
    "nt_xent": _nt_xent,
    "dclw": _dclw,
    "info_nce": _info_nce,
    "clip": _clip,
    "siglip": _siglip,
    "sup_con": _sup_con,
    "margin": _margin,
    "swapped_prediction": _swapped_prediction,
    "byol": _byol,
    "barlow_twins": _barlow_twins,
    "alignment": _alignment,
    "uniformity": _uniformity,
}
