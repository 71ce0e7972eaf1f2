"""Locked towers while their projections learn: what they read is read once, and a part of it is hidden in each step.

Shapes: B rows, W features of a tower before its projection.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from kontrast.encoders.clip.towers import Towers
from kontrast.encoders.text.dropout import dropout, row_keys


def rates(towers: Towers, **asked: float) -> dict[str, float]:
    """The share that is hidden of each tower's reading. ValueError for one that is not locked or has no projection."""
    for name, rate in asked.items():
        if not 0 <= rate < 1:
            raise ValueError(f"a share from 0 to below 1 was expected for drop, got {rate}")
        if rate and towers.reader(name) is None:
            raise ValueError(f"drop is for locked towers with a projection behind them, which the {name} tower is not")
    return asked


def hidden(
    towers: Towers, item_of: dict[str, Tensor], rates: Mapping[str, float], key: tuple[int, int, Tensor]
) -> dict[str, Tensor]:
    """What each tower takes: of a locked one its own reading (B, W), with this share of it zero, the rest made larger.

    item_of  "image" and "text": pixels and ids, or what was read of them before
    rates    the share of each
    key      (seed, step, ids of the rows): the masks are a function of it
    Dropout before a projection is what keeps a few thousand pairs from being learned by heart (Srivastava et al. 2014).
    """
    if not towers.training:
        return item_of
    made = dict(item_of)
    for place, (name, item) in enumerate(item_of.items()):
        if rates[name] and (tower := towers.reader(name)):
            read_BW = item if item.ndim == 2 and item.is_floating_point() else tower.read(item)
            made[name] = dropout(read_BW, row_keys(*key, place), 0, rates[name])
    return made
