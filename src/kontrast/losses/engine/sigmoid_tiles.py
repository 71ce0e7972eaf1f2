"""The sum of softplus(logit) over each row of a table that is never stored: tiles, computed again in backward.

The engine of `losses.pairs.siglip`; `losses.blocks` explains the tiles.

Shapes: Q queries, K keys, E width, R and C rows and columns of a tile.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from kontrast.losses.engine.tiles import Gradients, LeftOut, Products, Tags

TILE = 1024


def softplus_sum(query_QE: Tensor, key_KE: Tensor, tags: Tags) -> Tensor:
    """sum over keys that share no tag with the query of ln(1 + exp(<query, key>)), (Q,)."""
    left_out = LeftOut(len(query_QE), len(key_KE), (TILE, TILE), tags)
    made: Tensor = _SoftplusSum.apply(query_QE, key_KE, left_out)
    return made


def _tiles(queries: int, keys: int) -> list[tuple[slice, slice]]:
    rows = [slice(i, min(i + TILE, queries)) for i in range(0, queries, TILE)]
    columns = [slice(j, min(j + TILE, keys)) for j in range(0, keys, TILE)]
    return [(row, column) for row in rows for column in columns]


class _SoftplusSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query_QE: Tensor, key_KE: Tensor, left_out: LeftOut) -> Tensor:
        table, sum_Q = Products(query_QE, key_KE, left_out), query_QE.new_zeros(len(query_QE))
        for rows, columns in _tiles(len(query_QE), len(key_KE)):
            logit_RC = query_QE.new_empty(rows.stop - rows.start, columns.stop - columns.start)
            table.fill(rows, columns, logit_RC)
            sum_Q[rows] += F.softplus(logit_RC, threshold=50.0).sum(1)
        ctx.save_for_backward(query_QE, key_KE)
        ctx.left_out = left_out
        return sum_Q

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_Q: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        query_QE, key_KE = ctx.saved_tensors
        table = Products(query_QE, key_KE, ctx.left_out)
        onto = Gradients(
            *(torch.zeros_like(x) if asked else None for x, asked in zip((query_QE, key_KE), ctx.needs_input_grad))
        )
        for rows, columns in _tiles(len(query_QE), len(key_KE)):
            logit_RC = query_QE.new_empty(rows.stop - rows.start, columns.stop - columns.start)
            table.fill(rows, columns, logit_RC)
            weight_RC = logit_RC.sigmoid_().mul_(gradient_Q[rows, None])
            table.pull(weight_RC, logit_RC, rows, columns, onto)
        return onto.query_QE, onto.key_KE, None
