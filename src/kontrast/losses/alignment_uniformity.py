"""The two properties of a good representation on the sphere, as losses: alignment and uniformity.

Both normalise rows themselves. As one loss: alignment(x, y) + (uniformity(x) + uniformity(y)) / 2.
Source: Wang and Isola 2020, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
Hypersphere", ICML 2020.

Shapes: B samples, N rows, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kontrast.losses.engine.arguments import Reduction, matrices, ours, positive, reduced
from kontrast.losses.engine.candidates import Against
from kontrast.losses.engine.tiles import Stripes
from kontrast.similarity import unit

NEAR = 0.01  # a squared distance below it is computed from the difference


def alignment(
    first_BD: Tensor,
    second_BD: Tensor,
    *,
    exponent: float = 2.0,
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """How far the two views of a sample are apart: |x - y|^exponent of unit vectors, between 0 and 2^exponent.

    Guessing costs 2 with exponent 2. 0 is also what collapse gives: read it with `uniformity`.
    """
    matrices(first=first_BD, second=second_BD, rows_too=True)
    positive(exponent=exponent)
    mine, _, _ = ours(rows, len(first_BD))
    first_RD, second_RD = unit(first_BD[mine]), unit(second_BD[mine])
    square_R = 2.0 - 2.0 * (first_RD * second_RD).sum(-1)
    near_R = (first_RD - second_RD).square().sum(-1)  # the same, and right where the products cancel
    square_R = torch.where(square_R < NEAR, near_R, square_R)
    zero_R = square_R == 0  # equal rows attract nothing, whatever the slope of the power at 0
    apart_R = square_R if exponent == 2 else square_R.masked_fill(zero_R, 1.0) ** (exponent / 2)
    apart_R = apart_R.masked_fill(zero_R, 0.0)
    return reduced(apart_R, len(first_BD), reduction)


def uniformity(row_ND: Tensor, *, t: float = 2.0) -> Tensor:
    """How evenly unit rows cover the sphere: ln of the mean over pairs i < j of exp(-t |x_i - x_j|^2).

    Guessing (uniform on the sphere) costs just above -2t, which nothing can pass by much; collapse costs 0. There is no
    loss per row: the set is the statistic. O(N D) memory, by the tiled engine.
    """
    matrices(row=row_ND)
    N = len(row_ND)
    if N < 2:
        raise ValueError(f"uniformity needs at least 2 rows, got {N}")
    positive(t=t)
    against = Against.of(1.0 / (2.0 * t), "cosine", balanced=True)
    row_NE = against.query(row_ND)
    pairs_N = against.log_negatives(row_NE, row_NE, [Stripes(2 * N)], row_NE.new_zeros(1, N), columns="mirror")
    return pairs_N.logsumexp(0) - math.log(N * (N - 1)) - 2.0 * t
