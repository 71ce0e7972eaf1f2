"""The other rows of the batch: the negatives that are always there, and what guessing among candidates costs.

Shapes: B rows.
"""

from __future__ import annotations

from torch import Tensor

from kontrast.losses.chance import of_candidates as guessing
from kontrast.losses.chance import others as other_samples
from kontrast.losses.engine.candidates import Guide

__all__ = ["guessing", "others"]


def others(name_B: Tensor, views: int = 1, *, pair_B: Tensor | None = None, guide: Guide | None = None) -> Tensor:
    """How many rows of the batch are negatives of each row, int64 (B,): those of all views with other names.

    pair_B: names of another kind that must differ too. guide: leaves out what it finds closer than the positive.
    """
    return views * other_samples(len(name_B), name_B, pair_B, guide).to(name_B.device)
