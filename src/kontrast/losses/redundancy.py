"""Make the cross-correlation of two views the identity: the loss of Barlow Twins.

Shapes: B samples, D width.
"""

from __future__ import annotations

from torch import Tensor

from kontrast.losses.rows import matrices
from kontrast.similarity import wide


def standardised(x_BD: Tensor, eps: float = 1e-5) -> Tensor:
    """Each column to mean 0 and biased variance 1 over the batch: BatchNorm with no affine part and no memory."""
    x_BD = wide(x_BD)
    centred_BD = x_BD - x_BD.mean(0)
    return centred_BD * (centred_BD.square().mean(0) + eps).rsqrt()


def barlow_twins(
    first_BD: Tensor, second_BD: Tensor, *, off_diagonal_weight: float = 0.0051, rows: slice | None = None
) -> Tensor:
    """C = correlation of the columns of the two views; (C_ii - 1)^2 summed, plus weight times C_ij^2 summed."""
    matrices(first=first_BD, second=second_BD, rows_too=True)
    B, D = first_BD.shape
    first_BD, second_BD = standardised(first_BD), standardised(second_BD)
    diagonal_D = (first_BD * second_BD).sum(0) / B
    square = ((first_BD @ first_BD.T) * (second_BD @ second_BD.T)).sum() / B**2
    share = 1.0 if rows is None else len(range(*rows.indices(B))) / B
    return share * ((diagonal_D - 1).square().sum() + off_diagonal_weight * (square - diagonal_D.square().sum()))
