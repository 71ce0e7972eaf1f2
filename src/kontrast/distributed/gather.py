"""Negatives across processes: the one gather.

The loss of W processes is *defined* as the loss of one process on the joined batch. Each process holds the columns of
all and answers for its own rows; its loss is a share, and shares add up. The gather is differentiable: its backward
sums the gradients that all processes have for a row and hands them to the row's owner. Then every parameter's gradient
is the plain sum over processes, for encoders and for what only the comparison uses (temperature, prototypes) alike.
A gather without gradient, as many published codes have it, gives 1/W of the gradient or a wrong direction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_alone = False


def processes() -> int:
    """Number of processes of this run, 1 when not launched by torchrun."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() and not _alone else 1


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process is the only one: what it computes needs nobody else."""
    global _alone  # noqa: PLW0603  (one process has one answer)
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def rank() -> int:
    """This process's place, 0 when alone."""
    return dist.get_rank() if processes() > 1 else 0


def counts(rows: int, device: torch.device) -> list[int]:
    """Rows of every process, in process order; they may differ."""
    mine = torch.tensor([rows], dtype=torch.int64, device=device)
    everyone = [torch.zeros_like(mine) for _ in range(processes())]
    dist.all_gather(everyone, mine)
    return [int(count) for count in everyone]


class _Gather(torch.autograd.Function):
    """(rows, ...) of every process -> (all rows, ...). Backward: sum over processes, own rows returned."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, per_process: list[int]) -> Tensor:
        ctx.start, ctx.stop = sum(per_process[: rank()]), sum(per_process[: rank() + 1])
        longest = max(per_process)
        padded = mine.new_zeros((longest, *mine.shape[1:]))
        padded[: len(mine)] = mine
        everyone = [torch.empty_like(padded) for _ in per_process]
        dist.all_gather(everyone, padded)
        return torch.cat([part[:count] for part, count in zip(everyone, per_process)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient[ctx.start : ctx.stop], None


def gather_rows(mine: Tensor, dim: int) -> tuple[Tensor, slice]:
    """Join the rows (axis `dim`) of all processes, in process order, with gradient.

    Returns the joined tensor and the slice of it that is ours. With one process: the tensor itself and all of it.
    """
    if processes() == 1:
        return mine, slice(0, mine.shape[dim])
    per_process = counts(mine.shape[dim], mine.device)
    start = sum(per_process[: rank()])
    rows_first = mine.movedim(dim, 0).contiguous()
    joined: Tensor = _Gather.apply(rows_first, per_process)
    return joined.movedim(0, dim), slice(start, start + mine.shape[dim])
