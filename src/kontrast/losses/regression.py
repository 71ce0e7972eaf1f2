"""One embedding predicts another, with no negatives: the loss of BYOL.

Shapes: B samples, D width.
"""

from __future__ import annotations

from torch import Tensor

from kontrast.losses.engine.arguments import Reduction, matrices, ours, reduced
from kontrast.similarity import pairwise


def byol(
    prediction_BD: Tensor, target_BD: Tensor, *, rows: slice | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Squared distance of the unit prediction to the unit target, one direction; a method adds both.

        loss_b = |p / |p| - z / |z||^2 = 2 - 2 cos(p, z)                   mean over B rows, between 0 and 4

    Guessing (orthogonal) costs 2, both directions 4; but 0 is also what a collapsed encoder gets, so the value alone
    says little. The target takes a gradient if it has one: BYOL's stop-gradient is a target without one (`detach()`).

    reduction: "none" gives (rows,). Source: Grill et al. 2020, arXiv:2006.07733.
    """
    matrices(prediction=prediction_BD, target=target_BD, rows_too=True)
    mine, _, _ = ours(rows, len(prediction_BD))
    return reduced(2.0 - 2.0 * pairwise(prediction_BD[mine], target_BD[mine]), len(prediction_BD), reduction)
