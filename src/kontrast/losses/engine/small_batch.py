"""A small batch of the plain loss, whole, in as few operations as it takes.

At 64 to 256 rows a loss costs what its dozens of tiny operations cost to start, not what they compute. So the plain
case (cosine, each row's own positive in the same table, no more negatives, a table that is one tile) goes from raw
rows to each row's decoupled loss in one function, its gradient by hand. The tiled engine gives the same numbers.

    z_r = ln sum over negatives k of exp(s_rk / T) - s_rp / T        -inf where there are none; loss_r = softplus(z_r)

Shapes: R rows (mirror: the views one after the other), D width, L losses: R, or 2 R with both directions.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kontrast.losses.engine.tiles import LeftOut, Tags
from kontrast.similarity import wide

LARGEST_ROWS = 512  # one tile of the engine on a CPU
LN_2 = math.log(2.0)  # 2^x and log2 are computed where they are called; e^x and ln first wake the threads of a library
LARGEST_SCALE = 60.0  # exp of it, and its sums, can neither overflow nor vanish in float32


def fits(rows: int, scale: float | None) -> bool:
    """Whether a table of so many rows is for this file. scale: the largest |logit|, None where it is not known."""
    return rows <= LARGEST_ROWS and scale is not None and scale <= LARGEST_SCALE


def both_views(views_RD: Tensor, scale: Tensor | float, tags: Tags) -> Tensor:
    """NT-Xent of two views, one after the other in views_RD; (R,)."""
    z_R: Tensor = _Decoupled.apply(wide(views_RD), None, scale, tags)
    return z_R


def both_ways(first_RD: Tensor, second_RD: Tensor, scale: Tensor | float, tags: Tags) -> Tensor:
    """CLIP: first among second, then second among first; (2 R,)."""
    dtype = torch.promote_types(first_RD.dtype, second_RD.dtype)
    z_L: Tensor = _Decoupled.apply(wide(first_RD.to(dtype)), wide(second_RD.to(dtype)), scale, tags)
    return z_L


def _unit(x_RD: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of length 1 and 1 / their length; a row of zeros stays zero and gets no gradient (`similarity.unit`)."""
    norm_R1 = torch.linalg.vector_norm(x_RD, dim=1, keepdim=True).nan_to_num_(nan=torch.nan, posinf=torch.nan)
    shrink_R1 = norm_R1.reciprocal_().nan_to_num_(nan=torch.nan, posinf=0.0)
    return x_RD * shrink_R1, shrink_R1


def _through_unit(gradient_RD: Tensor, unit_RD: Tensor, along_R1: Tensor, shrink_R1: Tensor) -> Tensor:
    """The gradient at the raw rows: what points along a row is lost."""
    return gradient_RD.addcmul_(unit_RD, along_R1, value=-1).mul_(shrink_R1)


def _product(left_RK: Tensor, right_KC: Tensor, scale: float) -> Tensor:
    """scale * left @ right, with or without autocast around it."""
    made_RC = left_RK.new_empty(left_RK.shape[0], right_KC.shape[1])
    return torch.addmm(made_RC, left_RK, right_KC, beta=0, alpha=scale, out=made_RC)


class _Decoupled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first_RD: Tensor, second_RD: Tensor | None, scale: Tensor | float, tags: Tags) -> Tensor:
        R, mirror, number = first_RD.shape[0], second_RD is None, float(scale)
        first, shrink_first = _unit(first_RD)
        second, shrink_second = (first, shrink_first) if second_RD is None else _unit(second_RD)
        table_RR = _product(first, second.T, number / LN_2)
        where = R // 2 if mirror else 0  # the diagonal on which the positives stand
        positive_P = table_RR.diagonal(where).clone()
        table_RR.exp2_()
        LeftOut(R, R, (R, R), tags).fill(slice(0, R), slice(0, R), table_RR, 0.0)
        sum_L = table_RR.sum(1) if mirror else torch.cat([table_RR.sum(1), table_RR.sum(0)])
        ctx.save_for_backward(first, second, shrink_first, shrink_second, table_RR, sum_L)
        ctx.number, ctx.mirror, ctx.where = number, mirror, where
        return sum_L.log2().view(2, -1).sub_(positive_P).mul_(LN_2).view(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_L: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        first, second, shrink_first, shrink_second, table_RR, sum_L = ctx.saved_tensors
        R, number, mirror, where = first.shape[0], ctx.number, ctx.mirror, ctx.where
        factor_L = gradient_L / sum_L.clamp(min=torch.finfo(sum_L.dtype).tiny)
        rows_R, columns_R = (factor_L, factor_L) if mirror else factor_L.split(R)
        weight_RR = torch.add(rows_R[:, None], columns_R).mul_(table_RR)
        together = gradient_L.reshape(2, -1).sum(0)
        weight_RR.diagonal(where).sub_(together)
        if mirror:  # the table is its own mirror image: rows and columns together give one gradient
            weight_RR.diagonal(-where).sub_(together)
        dfirst = _product(weight_RR, second, number)
        along_R1 = (dfirst * first).sum(1, keepdim=True)
        dscale = along_R1.sum().div(2 * number if mirror else number) if ctx.needs_input_grad[2] else None
        dsecond_RD = None
        if not mirror and ctx.needs_input_grad[1]:
            dsecond = _product(weight_RR.T, first, number)
            back_R1 = (dsecond * second).sum(1, keepdim=True)
            dsecond_RD = _through_unit(dsecond, second, back_R1, shrink_second)
        return _through_unit(dfirst, first, along_R1, shrink_first), dsecond_RD, dscale, None
