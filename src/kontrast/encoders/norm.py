"""BatchNorm whose statistics belong to the recipe, not to the machine.

`groups` = 1: the statistics of the joined batch of all processes (SimCLR, BYOL, Barlow Twins, SwAV). `groups` = 8:
those of eight parts of it, as on the eight GPUs of the MoCo papers, on any number of processes. A row's group is a
function of its place in the joined batch, or of a key (`shuffled`): that is ShuffleBN (He 2020, 3.3), and no picture
moves.

With one group and one process it is torch's own batch norm, at its speed. Otherwise each layer makes one small
reduction, with gradient: offsets and squares are summed about the running mean, so no digits are lost when a mean is
large.

Shapes: N rows of this process, C channels, G groups, h x w pixels (none for vectors).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional as F

from kontrast import keyed
from kontrast.negatives import across


class _Sum(torch.autograd.Function):
    """The sum over processes. Its gradient is the sum over processes too: the shares of the loss add up."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        total = mine.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class BatchNorm(nn.Module):
    """y = scale (x - mean) / sqrt(variance + eps) + shift, per channel, over the rows (and pixels) of a group.

    x (N, C) or (N, C, h, w), any float dtype; statistics in fp32 or wider. State-dict keys are those of nn.BatchNorm2d.
    The running statistics are those of the groups, averaged by their rows. In evaluation they are used instead;
    with `frozen` always. `moving` = False leaves them where they are (a batch computed again).
    `then` is applied after it (timm fuses drop-out and activation into some of its norms).
    """

    def __init__(
        self,
        channels: int,
        *,
        groups: int = 1,
        scale: bool = True,
        shift: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
        frozen: bool = False,
        then: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if shift else None
        self.running_mean: Tensor
        self.running_var: Tensor
        self.num_batches_tracked: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.groups = groups
        self.eps = eps
        self.momentum = momentum
        self.frozen = frozen
        self.moving = True
        self.group_N: Tensor | None = None
        self.then = then

    def extra_repr(self) -> str:
        return f"{len(self.running_mean)}, groups={self.groups}" + (", frozen" if self.frozen else "")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.frozen:
            y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        elif self.groups == 1 and across.processes() == 1:
            mean, var = (self.running_mean, self.running_var) if self.moving else (None, None)
            y = F.batch_norm(x, mean, var, self.weight, self.bias, True, self.momentum, self.eps)
        else:
            y = self._by_group(x)
        if self.training and self.moving and not self.frozen:
            self.num_batches_tracked.add_(1)
        return y if self.then is None else self.then(y)

    def _by_group(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            wide = x if x.dtype == torch.float64 else x.float()
            pixels = wide[0, 0].numel()
            if wide.ndim == 2:
                mean_NC, variance_NC = wide, torch.zeros_like(wide)
            else:
                variance_NC, mean_NC = torch.var_mean(wide, dim=(2, 3), correction=0)
            group_N = self.group_N
            if group_N is None:
                group_N = assign(len(x), self.groups, device=x.device)
            pivot_C = self.running_mean.to(wide.dtype, copy=True)
            offset_NC = mean_NC - pivot_C
            one_N1 = torch.ones_like(offset_NC[:, :1])
            row_NS = torch.cat([offset_NC, variance_NC + offset_NC.square(), one_N1], dim=1)
            sums_GS = row_NS.new_zeros(self.groups, row_NS.shape[1]).index_add(0, group_N, row_NS)
            if across.processes() > 1:
                sums_GS = _Sum.apply(sums_GS)
            rows_G1 = sums_GS[:, -1:].detach()
            offset_GC, square_GC = (sums_GS[:, :-1] / rows_G1.clamp(min=1)).chunk(2, dim=1)
            variance_GC = (square_GC - offset_GC.square()).clamp(min=0)
            if self.moving:
                self._move(pivot_C + offset_GC.detach(), variance_GC.detach(), rows_G1, pixels)
            scale_GC = (variance_GC + self.eps).rsqrt()
            if self.weight is not None:
                scale_GC = scale_GC * self.weight
            shift_GC = -(pivot_C + offset_GC) * scale_GC
            if self.bias is not None:
                shift_GC = shift_GC + self.bias
            shape = (len(x), -1) + (1,) * (x.ndim - 2)
            scale, shift = (each.index_select(0, group_N).view(shape) for each in (scale_GC, shift_GC))
            return torch.addcmul(shift, wide, scale).to(x.dtype)

    @torch.no_grad()
    def _move(self, mean_GC: Tensor, variance_GC: Tensor, rows_G1: Tensor, pixels: int) -> None:
        part_G1 = rows_G1 / rows_G1.sum()
        values_G1 = rows_G1 * pixels
        unbiased_GC = variance_GC * (values_G1 / (values_G1 - 1).clamp(min=1))
        for running_C, now_GC in ((self.running_mean, mean_GC), (self.running_var, unbiased_GC)):
            running_C.lerp_((part_G1 * now_GC).sum(0).to(running_C.dtype), self.momentum)


def assign(rows: int, groups: int, *key: keyed.Key, device: torch.device | str = "cpu") -> Tensor:
    """The group of each of this process's `rows`, int64 (N,): equal parts of the joined batch, in order or by a key.

    A collective call when there are several processes, and then every process must make it.
    """
    place_N, total = np.arange(rows), rows
    if across.processes() > 1:
        per_process = across.counts(rows, torch.device(device))
        place_N, total = place_N + sum(per_process[: across.rank()]), sum(per_process)
    if key:
        place_N = keyed.permuted(place_N, total, "shuffle-bn", *key)
    return torch.from_numpy(place_N * groups // total).to(device)


@contextmanager
def shuffled(module: nn.Module, rows: int, *key: keyed.Key, device: torch.device | str = "cpu") -> Iterator[None]:
    """ShuffleBN: inside, a forward of `rows` rows takes statistics in groups drawn by the key, such as (seed, step)."""
    norms = [m for m in module.modules() if isinstance(m, BatchNorm) and m.groups > 1]
    drawn = {groups: assign(rows, groups, *key, device=device) for groups in sorted({m.groups for m in norms})}
    for m in norms:
        m.group_N = drawn[m.groups]
    try:
        yield
    finally:
        for m in norms:
            m.group_N = None


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """Inside, running statistics do not move: for a batch that is computed a second time."""
    norms = [m for m in module.modules() if isinstance(m, BatchNorm) and m.moving]
    for m in norms:
        m.moving = False
    try:
        yield
    finally:
        for m in norms:
            m.moving = True


def convert(module: nn.Module, *, groups: int = 1, norm: str = "batch") -> nn.Module:
    """Every batch norm in the module becomes ours, with the same parameters and buffers. Returns the module.

    norm  "batch"   statistics per group, as above
          "group"   GroupNorm of 16 channels each (Wu 2018): no row needs another, so batches may be cut
          "frozen"  running statistics, never moved: for weights that were trained before
    """
    if norm not in ("batch", "group", "frozen"):
        raise ValueError(f'norm must be "batch", "group" or "frozen", got {norm!r}')
    if isinstance(module, BatchNorm | nn.BatchNorm1d | nn.BatchNorm2d):
        return _ours(module, groups, norm)
    for name, child in module.named_children():
        setattr(module, name, convert(child, groups=groups, norm=norm))
    return module


def _ours(old: BatchNorm | nn.BatchNorm1d | nn.BatchNorm2d, groups: int, norm: str) -> nn.Module:
    assert old.running_mean is not None and old.momentum is not None
    channels = len(old.running_mean)
    then = old.then if isinstance(old, BatchNorm) else None
    if isinstance(old, BatchNormAct2d):
        then = nn.Sequential(old.drop, old.act)
    if norm == "group":
        made = nn.GroupNorm(channels // 16 if channels % 16 == 0 else 1, channels, eps=old.eps)
        made.register_parameter("weight", old.weight)
        made.register_parameter("bias", old.bias)
        return made if then is None else nn.Sequential(made, then)
    ours = BatchNorm(channels, groups=groups, eps=old.eps, momentum=old.momentum, frozen=norm == "frozen", then=then)
    ours.weight, ours.bias = old.weight, old.bias
    for name, buffer in old.named_buffers(recurse=False):
        ours.register_buffer(name, buffer)
    return ours
