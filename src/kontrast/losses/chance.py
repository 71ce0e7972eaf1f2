"""The loss of pure guessing: what a loss gives when all similarities are equal. Printed beside every loss.

A loss that does not leave this value has not begun to learn.

Shapes: B samples, Q queries, N rows.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kontrast.losses.engine.arguments import integers, positive
from kontrast.losses.engine.candidates import Guide
from kontrast.losses.engine.tiled import negatives_left
from kontrast.losses.engine.tiles import Equal, Stripes, Tag


def chance(name: str, **needs: Any) -> float:
    """The value of the loss `name` at equal similarities, in the loss's own units.

    What each needs (defaults after =; ids_B, groups_B and guide as in the loss):

        nt_xent              batch, views=2, negatives=0, decoupled=False, ids_B=None, groups_B=None, guide=None
        dclw                 batch, ids_B=None, groups_B=None
        info_nce             keys, negatives=0, own_positive=False, decoupled=False
        clip                 batch, decoupled=False, ids_B=None, groups_B=None, guide=None
        siglip               batch, bias, ids_B=None, groups_B=None
        sup_con              rows, label_N=None
        margin               similar, margin=1.0
        swapped_prediction   prototypes
        byol                 directions=2
        barlow_twins         batch, width, off_diagonal_weight=0.0051
        alignment            exponent=2
        uniformity           width, t=2

    nt_xent, info_nce: keys and negatives are numbers, or tensors (B,) or (Q,) where rows differ: how many of them are
    left to each row. own_positive says that the positive is not among the keys (MoCo: keys is the fill of the queue).
    Debiased and reweighted negatives change nothing at equal similarities.
    margin: similar is the share of similar pairs; one distance for all pairs costs at least similar (1 - similar)
    margin^2 / 2.
    siglip, byol, alignment: at cosine 0. barlow_twins: independent views. uniformity: rows uniform on the sphere.

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


def of_candidates(negatives_B: Tensor, *, positives: int = 1, decoupled: bool = False) -> float:
    """Mean of the log of the number of candidates. With no negative: ln of the positives, decoupled 0.

    negatives_B: how many each row has, or the sum of their weights. positives: of each row, all of them candidates.
    """
    candidates_B = negatives_B.double() + (0 if decoupled else positives)
    return float(candidates_B.log().masked_fill(negatives_B == 0, 0.0 if decoupled else math.log(positives)).mean())


def others(
    batch: int, ids_B: Tensor | None = None, groups_B: Tensor | None = None, guide: Guide | None = None
) -> Tensor:
    """How many samples of the batch are each one's negatives, int64 (B,) on the host: all that share no name with it.

    By sorting, without a B x B matrix; a guide, which leaves some out too, needs its own products, tile by tile.
    """
    _at_least(1, batch=batch)
    named = [name_B for name_B in integers(batch, ids_B=ids_B, groups_B=groups_B) if name_B is not None]
    if guide is not None:
        guide.fits(batch, batch)
        tags: list[Tag] = [Stripes(2 * batch), *((name_B, name_B) for name_B in named)]
        limits = guide.limits(guide.key_KG, slice(0, batch))
        return negatives_left(tags, batch, batch, limits, guide.key_KG.device).long().cpu()
    if not named:
        return torch.full((batch,), batch - 1)
    host = [name_B.cpu() for name_B in named]
    same_B = torch.stack([Equal(name_B, name_B).many_Q for name_B in host]).sum(0)
    if len(host) == 2:  # who shares both was counted twice
        both_B = torch.stack(host).unique(dim=1, return_inverse=True)[1]
        same_B = same_B - Equal(both_B, both_B).many_Q
    return batch - same_B


def _at_least(least: int, **named: int) -> None:
    for name, x in named.items():
        if not x >= least:
            raise ValueError(f"chance: {name} must be at least {least}, got {x}")


def _nt_xent(
    *,
    batch: int,
    views: int = 2,
    negatives: int | Tensor = 0,
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
    guide: Guide | None = None,
) -> float:
    _at_least(2, views=views)
    more_B = torch.as_tensor(negatives).cpu()
    count_B = others(batch, ids_B, groups_B, guide) * views + more_B
    return of_candidates(count_B, positives=views - 1, decoupled=decoupled)


def _dclw(*, batch: int, ids_B: Tensor | None = None, groups_B: Tensor | None = None) -> float:
    return _nt_xent(batch=batch, decoupled=True, ids_B=ids_B, groups_B=groups_B)


def _clip(
    *,
    batch: int,
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
    guide: Guide | None = None,
) -> float:
    ways = [None] if guide is None else [guide, Guide(guide.key_KG, guide.query_QG, guide.margin)]
    return of_candidates(torch.cat([others(batch, ids_B, groups_B, way) for way in ways]), decoupled=decoupled)


def _info_nce(
    *, keys: int | Tensor, negatives: int | Tensor = 0, own_positive: bool = False, decoupled: bool = False
) -> float:
    count_Q = torch.as_tensor(keys).cpu() + torch.as_tensor(negatives).cpu() - (0 if own_positive else 1)
    if not bool((count_Q >= 0).all()):
        raise ValueError(f"chance: keys must hold each query's positive, unless own_positive; got {keys}")
    return of_candidates(count_Q, decoupled=decoupled)


def _siglip(*, batch: int, bias: float, ids_B: Tensor | None = None, groups_B: Tensor | None = None) -> float:
    def softplus(x: float) -> float:
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    return softplus(-bias) + float(others(batch, ids_B, groups_B).double().mean()) * softplus(bias)


def _barlow_twins(*, batch: int, width: int, off_diagonal_weight: float = 0.0051) -> float:
    _at_least(2, batch=batch)
    _at_least(1, width=width)
    return width * (1 + 1 / (batch - 1)) + off_diagonal_weight * width * (width - 1) / (batch - 1)


def _uniformity(*, width: int, t: float = 2.0) -> float:
    """-2t + ln E exp(2t <x, y>) for independent x, y uniform on the sphere, by its power series."""
    _at_least(1, width=width)
    positive(t=t)
    term, total, n = 1.0, 1.0, 0
    while term > 1e-17 * total:
        n += 1
        term *= t * t / (n * (width / 2 + n - 1))
        total += term
    return math.log(total) - 2 * t


def _sup_con(*, rows: int, label_N: Tensor | None = None) -> float:
    _at_least(2, rows=rows)
    (label_N,) = integers(rows, label_N=label_N)
    alone = label_N is not None and len(label_N.unique()) == rows  # no row has a positive: each counts 0
    return 0.0 if alone else math.log(rows - 1)


def _margin(*, similar: float, margin: float = 1.0) -> float:
    if not 0 <= similar <= 1:
        raise ValueError(f"chance: similar is a share, 0 to 1, got {similar}")
    positive(margin=margin)
    return similar * (1 - similar) * margin**2 / 2


def _swapped_prediction(*, prototypes: int) -> float:
    _at_least(1, prototypes=prototypes)
    return math.log(prototypes)


def _byol(*, directions: int = 2) -> float:
    return 2.0 * directions


def _alignment(*, exponent: float = 2.0) -> float:
    positive(exponent=exponent)
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
