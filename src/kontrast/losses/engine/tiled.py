"""The tiled engine: log-sum-exp over the rows (and columns) of a table of logits that is never stored.

    out_q = ln sum over keys k that are not left out of exp(logit_qk)

The table is visited in 2-D tiles that fit the cache, in one reused buffer. Forward keeps one number per row; backward
computes each tile again and turns it into d loss / d logit at once: memory O((Q + K) E), whatever Q x K is. A table
below `KEEP_BYTES` is kept between the two instead.

One pass serves what it can:
    columns="none"    rows only. Keys without gradient (a queue) cost no backward product.
    columns="own"     also the log-sums over queries for each key, from the same tile (CLIP).
    columns="mirror"  the table is symmetric in value (queries and keys are the same rows): only tiles on and above the
                      diagonal are formed, and each answers for its mirror image too (NT-Xent).
    powers            several log-sums of a row, over exp(power * logit), for reweighted negatives.

No shift can underflow: if all |logit| are known to be below what exp can hold, there is none; else each row and column
has its running maximum. The temperature is inside the queries, so its gradient is an ordinary sum outside. The same
code runs on CPU and CUDA; sums are in float32 or, for float64 input, float64. The backward pass is not differentiable.

Cost in multiply-adds of Q K E, forward + backward: 1 + 3 (none, own), 1/2 + 3/2 (mirror); one less when kept.
Sources: Milakov and Gimelshein 2018 (running maximum); Rabe and Staats 2021, arXiv:2112.05682 (recompute).

Shapes: Q queries, K keys, E width, R and C rows and columns of a tile, P powers, L log-sums: Q, or Q + K with columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kontrast.losses.engine.tiles import Distances, Gradients, LeftOut, Limits, Products, Tags

Columns: TypeAlias = Literal["none", "own", "mirror"]

KEEP_BYTES = 64 * 2**20  # tables up to this size are kept from forward to backward
TILE_ENTRIES = {"cpu": 2**18, "cuda": 2**24}  # 1 MB and 64 MB of float32
LONGEST = {"cpu": 512, "cuda": 4096}  # rows of a tile


def log_sum_exp(
    query_QE: Tensor,
    key_KE: Tensor,
    tags: Tags = (),
    *,
    columns: Columns = "none",
    euclidean: bool = False,
    powers: tuple[float, ...] = (1.0,),
    limits: Limits | None = None,
    largest: float | None = None,
) -> Tensor:
    """ln of each query's sum of exp(power * logit) over the keys not left out, (P, Q); (P, Q + K) for columns="own".

    A row with nothing left gives -inf. largest: a bound on |logit| if one is known (cosine: 1 / temperature).
    """
    dtype = torch.promote_types(query_QE.dtype, key_KE.dtype)
    query_QE, key_KE = query_QE.to(dtype), key_KE.to(dtype)
    Q, K, device = len(query_QE), len(key_KE), query_QE.device.type
    height = min(Q, LONGEST[device])
    width = height if columns == "mirror" else min(K, TILE_ENTRIES[device] // height)
    entries = Q * (Q + height) // 2 if columns == "mirror" else Q * K
    if largest is None and device == "cpu":
        reach = [float(x.detach().square().sum(-1).max().sqrt()) for x in (query_QE, key_KE)]
        largest = sum(reach) if euclidean else math.prod(reach)
    plan = Plan(
        queries=Q,
        keys=K,
        tile=(height, width),
        columns=columns,
        euclidean=euclidean,
        powers=powers,
        left_out=LeftOut(Q, K, (height, width), tags, limits),
        keep=torch.is_grad_enabled()
        and (query_QE.requires_grad or key_KE.requires_grad)
        and entries * query_QE.element_size() <= KEEP_BYTES,
        bounded=largest is not None and largest * max(powers) <= (600.0 if dtype == torch.float64 else 60.0),
    )
    out: Tensor = _LogSumExp.apply(query_QE, key_KE, plan)
    return out


@dataclass(frozen=True)
class Plan:
    """How the table is visited."""

    queries: int
    keys: int
    tile: tuple[int, int]
    columns: Columns
    euclidean: bool
    powers: tuple[float, ...]
    left_out: LeftOut
    keep: bool  # the table, from forward to backward
    bounded: bool  # exp(power * logit) and its sums can neither overflow nor vanish: no shift is needed

    @property
    def exponentiated(self) -> bool:
        """A tile holds exp(logit) instead of the logit: one exponential serves rows, columns and backward."""
        return self.bounded and self.powers == (1.0,) and not self.euclidean

    def tiles(self) -> Iterator[tuple[slice, slice, bool]]:
        """Rows and columns of each tile, and whether its columns are summed too."""
        for i in range(0, self.queries, self.tile[0]):
            for j in range(i if self.columns == "mirror" else 0, self.keys, self.tile[1]):
                both = self.columns == "own" or (self.columns == "mirror" and i != j)
                yield slice(i, min(i + self.tile[0], self.queries)), slice(j, min(j + self.tile[1], self.keys)), both

    def buffer(self, like: Tensor) -> Tensor:
        return like.new_empty(self.tile[0] * self.tile[1])


def _cut(buffer: Tensor, rows: slice, columns: slice) -> Tensor:
    """The buffer in the shape of this tile; the last ones of a row or column are smaller."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return buffer[: height * width].view(height, width)


class _Sums:
    """Running sums of exp(power * logit) along rows or columns; unless bounded, relative to a running maximum."""

    def __init__(self, plan: Plan, rows: int, like: Tensor) -> None:
        self.powers = plan.powers
        self.sum_PR = like.new_zeros((len(plan.powers), rows))
        self.peak_R = None if plan.bounded else like.new_full((rows,), -1e30)  # finite: exp(-inf + 1e30) is 0, not nan

    def add(self, part: slice, dim: int, tile_RC: Tensor, powered: list[Tensor], scratch: Tensor) -> None:
        """Sum a tile of logits along dim; `powered` are its exponentials, if bounded."""
        if self.peak_R is None:
            for p, exp_RC in enumerate(powered):
                self.sum_PR[p, part] += exp_RC.sum(dim)
            return
        peak_R = torch.maximum(self.peak_R[part], tile_RC.amax(dim))
        for p, power in enumerate(self.powers):
            shifted_RC = torch.sub(tile_RC, peak_R.unsqueeze(dim), out=scratch)
            if power != 1.0:
                shifted_RC.mul_(power)
            self.sum_PR[p, part] *= (power * (self.peak_R[part] - peak_R)).exp_()
            self.sum_PR[p, part] += shifted_RC.exp_().sum(dim)
        self.peak_R[part] = peak_R

    def log(self) -> Tensor:
        log_PR = self.sum_PR.log()
        return log_PR if self.peak_R is None else log_PR + torch.outer(log_PR.new_tensor(self.powers), self.peak_R)


class _Slopes:
    """How log-sums of rows or columns depend on their logits: d / d logit = factor * exp(power * logit - shift)."""

    def __init__(self, plan: Plan, gradient_PR: Tensor, log_sum_PR: Tensor) -> None:
        self.shift_PR = log_sum_PR.nan_to_num(neginf=0.0)
        self.factor_PR = (
            gradient_PR if plan.powers == (1.0,) else gradient_PR * gradient_PR.new_tensor(plan.powers)[:, None]
        )
        if plan.bounded:
            self.factor_PR = self.factor_PR * torch.exp(-self.shift_PR)


def _terms(
    plan: Plan, tile_RC: Tensor, sides: list[tuple[_Slopes, slice, int]], weight_RC: Tensor, scratch: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Exponentials and factors whose products add up to the tile's d loss / d logit."""
    for p, power in enumerate(plan.powers):
        if plan.bounded:
            exp_RC = tile_RC if plan.exponentiated else torch.mul(tile_RC, power, out=scratch).exp_()
            factors = [slopes.factor_PR[p, part].unsqueeze(dim) for slopes, part, dim in sides]
            yield exp_RC, factors[0] if len(factors) == 1 else torch.add(*factors, out=None if p else weight_RC)
            continue
        for slopes, part, dim in sides:
            shift = slopes.shift_PR[p, part].unsqueeze(dim)
            shifted_RC = torch.sub(tile_RC if power == 1.0 else tile_RC * power, shift, out=scratch)
            yield shifted_RC.exp_(), slopes.factor_PR[p, part].unsqueeze(dim)


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query_QE: Tensor, key_KE: Tensor, plan: Plan) -> Tensor:
        table = (Distances if plan.euclidean else Products)(query_QE, key_KE, plan.left_out)
        rows = _Sums(plan, plan.queries, query_QE)
        columns = _Sums(plan, plan.keys, query_QE) if plan.columns == "own" else rows
        buffer, scratch = plan.buffer(query_QE), plan.buffer(query_QE)
        kept: list[Tensor] = []
        for at_rows, at_columns, both in plan.tiles():
            if plan.keep and kept:
                buffer = plan.buffer(query_QE)
            tile_RC, spare_RC = _cut(buffer, at_rows, at_columns), _cut(scratch, at_rows, at_columns)
            table.fill(at_rows, at_columns, tile_RC)
            if plan.keep:
                kept.append(tile_RC)
            powered = []
            if plan.exponentiated:
                powered = [tile_RC.exp_()]
            elif plan.bounded:
                powered = [(tile_RC * power).exp_() for power in plan.powers]
            rows.add(at_rows, 1, tile_RC, powered, spare_RC)
            if both:
                columns.add(at_columns, 0, tile_RC, powered, spare_RC)
        log_sum_PL = torch.cat([rows.log(), columns.log()], dim=1) if plan.columns == "own" else rows.log()
        ctx.save_for_backward(query_QE, key_KE, log_sum_PL)
        ctx.plan, ctx.kept = plan, kept
        ctx.one = query_QE is key_KE  # the rows of a symmetric table: one tensor, one gradient
        return log_sum_PL

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_PL: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        query_QE, key_KE, log_sum_PL = ctx.saved_tensors
        plan: Plan = ctx.plan
        table = (Distances if plan.euclidean else Products)(query_QE, key_KE, plan.left_out)
        slopes = _Slopes(plan, gradient_PL, log_sum_PL)
        dquery_QE = torch.zeros_like(query_QE) if ctx.needs_input_grad[0] else None
        dkey_KE = dquery_QE if ctx.one else torch.zeros_like(key_KE) if ctx.needs_input_grad[1] else None
        onto = Gradients(dquery_QE, dkey_KE)
        below = plan.queries if plan.columns == "own" else 0  # where the columns' log-sums begin
        buffer, weight, scratch = plan.buffer(query_QE), plan.buffer(query_QE), plan.buffer(query_QE)
        kept = iter(ctx.kept)
        for at_rows, at_columns, both in plan.tiles():
            tile_RC, spare_RC = _cut(buffer, at_rows, at_columns), _cut(scratch, at_rows, at_columns)
            if plan.keep:
                tile_RC = next(kept)
            else:
                table.fill(at_rows, at_columns, tile_RC)
                if plan.exponentiated:
                    tile_RC.exp_()
            own_mirror = ctx.one and plan.columns == "mirror" and at_rows == at_columns
            sides = [(slopes, at_rows, 1)]
            if both or own_mirror:
                sides.append((slopes, slice(at_columns.start + below, at_columns.stop + below), 0))
            weight_RC = _cut(weight, at_rows, at_columns)
            for n, (exp_RC, factor) in enumerate(_terms(plan, tile_RC, sides, weight_RC, spare_RC)):
                if n == 0:
                    torch.mul(exp_RC, factor, out=weight_RC)
                else:
                    weight_RC.addcmul_(exp_RC, factor)
            table.pull(weight_RC, tile_RC, at_rows, at_columns, Gradients(dquery_QE, None) if own_mirror else onto)
        return dquery_QE, None if ctx.one else dkey_KE, None


def negatives_left(
    tags: Tags, queries: int, keys: int, limits: Limits | None = None, device: torch.device | None = None
) -> Tensor:
    """How many keys each query keeps, (Q,) float64."""
    height, width = min(queries, 1024), max(1, min(keys, 1024))
    left_out = LeftOut(queries, keys, (height, width), tags, limits)
    left_Q = torch.zeros(queries, dtype=torch.float64, device=device)
    for i in range(0, queries, height):
        for j in range(0, keys, width):
            rows, columns = slice(i, min(i + height, queries)), slice(j, min(j + width, keys))
            kept_RC = torch.ones(rows.stop - i, columns.stop - j, device=device)
            left_out.fill(rows, columns, kept_RC, 0.0)
            left_Q[rows] += kept_RC.sum(1)
    return left_Q
