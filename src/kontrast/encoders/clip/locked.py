"""Locked towers while their projections learn: what they read is read once, and a part of it is hidden in each step.

Shapes: B rows, W features of a tower before its projection.
"""

from __future__ import annotations

from torch import Tensor

from kontrast.encoders.clip.towers import Towers
from kontrast.encoders.text.dropout import dropout, row_keys


def readers(towers: Towers) -> list[str]:
    """The locked towers that have a projection behind them."""
    return [tower for tower in ("image", "text") if towers.reader(tower)]


def hidden(towers: Towers, item_of: dict[str, Tensor], rate: float, key: tuple[int, int, Tensor]) -> dict[str, Tensor]:
    """What each tower takes: of a locked one its own reading (B, W), with this share of it zero, the rest made larger.

    item_of  "image" and "text": pixels and ids, or what was read of them before
    key      (seed, step, ids of the rows): the masks are a function of it
    Dropout before a projection is what keeps a few thousand pairs from being learned by heart (Srivastava et al. 2014).
    """
    if not rate or not towers.training:
        return item_of
    made = dict(item_of)
    for place, (name, item) in enumerate(item_of.items()):
        if tower := towers.reader(name):
            read_BW = item if item.ndim == 2 and item.is_floating_point() else tower.read(item)
            made[name] = dropout(read_BW, row_keys(*key, place), 0, rate)
    return made
