"""Make the cross-correlation of two views the identity: the loss of Barlow Twins.

    C = Z1^T Z2 / B,  Z standardised       loss = sum_i (C_ii - 1)^2 + weight * sum_{i != j} C_ij^2

The sum of squares needs no D x D matrix when the batch is smaller than the width: |Z1^T Z2|^2 = sum of Z1 Z1^T times
Z2 Z2^T, entry by entry, two B x B matrices. The cheaper form is taken (8 B^2 D against 6 B D^2 multiply-adds), block by
block, sums in float64; the gradient is made with the value, so memory is O(B D).

Shapes: B samples, D width, R rows and F columns of one block.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kontrast.losses.engine.arguments import matrices, ours
from kontrast.similarity import wide

BLOCK = 1024  # rows or columns of C, or of the two B x B matrices, formed at a time


def barlow_twins(
    first_BD: Tensor, second_BD: Tensor, *, off_diagonal_weight: float = 0.0051, rows: slice | None = None
) -> Tensor:
    """Each dimension agrees between the views (C_ii = 1) and says what no other says (C_ij = 0).

    Guessing (independent views) costs D (1 + 1 / (B - 1)) + weight D (D - 1) / (B - 1). There is no loss per row: the
    batch is the statistic, so B must be at least 2 and the value depends on B. No temperature, no negatives.

    Args:
        first_BD, second_BD: float, not yet standardised; row b of both is the same sample. The joined batch when there
            are several processes: statistics are those of all rows.
        off_diagonal_weight: 0.0051 in the official code.
        rows: the rows that are ours; the result is our share of the sums, and shares add up.

    Standardising is that of BatchNorm without affine part and memory: biased variance, eps 1e-5.
    Source: Zbontar et al. 2021, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021. Their
    all_reduce has no gradient, which makes the gradient 1/W of this one with W processes.
    """
    matrices(first=first_BD, second=second_BD, rows_too=True)
    B, D = first_BD.shape
    if B < 2:
        raise ValueError(f"correlation needs at least 2 samples, got {B}")
    if not 0 <= off_diagonal_weight < math.inf:
        raise ValueError(f"off_diagonal_weight must be >= 0 and finite, got {off_diagonal_weight}")
    mine, _, _ = ours(rows, B)
    first_BD, second_BD = standardised(first_BD), standardised(second_BD)
    columns = slice(D * mine.start // B, D * mine.stop // B)
    diagonal_F = (first_BD[:, columns] * second_BD[:, columns]).sum(0) / B
    with torch.autocast(first_BD.device.type, enabled=False):
        square: Tensor = _SumOfSquares.apply(first_BD, second_BD, mine, columns)
    off_diagonal = square / B**2 - diagonal_F.double().square().sum()
    return (diagonal_F - 1).square().sum() + off_diagonal_weight * off_diagonal.to(diagonal_F.dtype)


def standardised(x_BD: Tensor) -> Tensor:
    """Each column with mean 0 and biased variance 1 over the batch (eps 1e-5)."""
    x_BD = wide(x_BD)
    variance_D, mean_D = torch.var_mean(x_BD, dim=0, correction=0)
    return (x_BD - mean_D) * (variance_D + 1e-5).rsqrt()


class _SumOfSquares(torch.autograd.Function):
    """sum_ij (Z1^T Z2)_ij^2 over our rows or our columns of the cheaper form, in float64."""

    @staticmethod
    def forward(ctx: Any, first_BD: Tensor, second_BD: Tensor, mine: slice, columns: slice) -> Tensor:
        (B, D), total = first_BD.shape, first_BD.new_zeros((), dtype=torch.float64)
        dfirst_BD, dsecond_BD = torch.zeros_like(first_BD), torch.zeros_like(second_BD)
        if 8 * B < 6 * D:
            for start in range(mine.start, mine.stop, BLOCK):
                part = slice(start, min(start + BLOCK, mine.stop))
                first_RB, second_RB = first_BD[part] @ first_BD.T, second_BD[part] @ second_BD.T
                total += torch.sum(first_RB * second_RB, dtype=torch.float64)
                once = 2 if mine == slice(0, B) else 1  # over all rows, entry ij gives what entry ji does
                dfirst_BD[part].addmm_(second_RB, first_BD, alpha=once)
                dsecond_BD[part].addmm_(first_RB, second_BD, alpha=once)
                if once == 1:
                    dfirst_BD.addmm_(second_RB.T, first_BD[part])
                    dsecond_BD.addmm_(first_RB.T, second_BD[part])
        else:
            for start in range(columns.start, columns.stop, BLOCK):
                part = slice(start, min(start + BLOCK, columns.stop))
                cross_FD = first_BD[:, part].T @ second_BD
                total += torch.sum(cross_FD.square(), dtype=torch.float64)
                dfirst_BD[:, part] = 2 * (second_BD @ cross_FD.T)
                dsecond_BD.addmm_(first_BD[:, part], cross_FD, alpha=2)
        ctx.save_for_backward(dfirst_BD, dsecond_BD)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        dfirst_BD, dsecond_BD = ctx.saved_tensors
        factor = gradient.to(dfirst_BD.dtype)
        return dfirst_BD * factor, dsecond_BD * factor, None, None
