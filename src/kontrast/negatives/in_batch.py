"""The other rows of the batch: the negatives that are always there, and what guessing among candidates costs.

Shapes: B rows.
"""

from __future__ import annotations

from torch import Tensor

from kontrast.negatives import false_negatives


def others(name_B: Tensor, views: int = 1) -> Tensor:
    """How many rows of the batch are negatives of each row, int64 (B,): those of all views with other names."""
    return views * (len(name_B) - false_negatives.count(name_B, name_B))


def guessing(negatives_B: Tensor, *, positives: int = 1, decoupled: bool = False) -> float:
    """The softmax loss at equal similarities: the mean of ln(candidates). A row with no negative counts 0."""
    candidates_B = negatives_B if decoupled else negatives_B + positives
    log_B = candidates_B.clamp(min=1).double().log()
    return float(log_B.masked_fill(negatives_B == 0, 0.0).mean())
