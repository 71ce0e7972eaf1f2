"""BatchNorm whose statistics belong to the recipe, not to the machine.

`groups` = 1: the statistics of the joined batch of all processes (SimCLR, BYOL, Barlow Twins, SwAV). `groups` = 8:
those of eight parts of it, as on the eight GPUs of the MoCo papers, on any number of processes. Parts follow the order
of the joined batch, or a key (`shuffled`): that is ShuffleBN (He 2020, section 3.3), and no picture changes process.

All work on pixels is done by torch's own batch norm, so it costs what that costs: one call with one group and one
process, one call a group otherwise. Across processes two small reductions a layer join the moments, with gradient.

Shapes: N rows of this process, n of them in one group, C channels, G groups, h x w pixels (none for vectors).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from kontrast import keyed
from kontrast.distributed import gather
from kontrast.errors import Unfit


class BatchNorm(nn.Module):
    """y = scale (x - mean) / sqrt(variance + eps) + shift, per channel, over the rows (and pixels) of a group.

    x (N, C) or (N, C, h, w), any float dtype; statistics in fp32 or wider. State-dict keys are those of nn.BatchNorm2d.
    The running statistics are those of the groups, averaged by their rows. In evaluation they are used instead;
    with `frozen` always. `moving` = False leaves them where they are (a batch that is computed again). With `apart`
    the rows of this call are the batch, whatever groups and processes there are.
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
        self.apart = False
        self.sizes: list[int] | None = None  # rows of each group in this process, when not equal parts; see `shuffled`
        self.then = then

    def extra_repr(self) -> str:
        return f"{len(self.running_mean)}, groups={self.groups}" + (", frozen" if self.frozen else "")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.frozen:
            y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        elif self.apart or (self.groups == 1 and gather.processes() == 1):
            by = self.momentum if self.moving else 0.0  # what is computed twice must store the same tensors twice
            y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True, by, self.eps)
        else:
            sizes = self.sizes or np.bincount(assign(len(x), self.groups, x.device), minlength=self.groups).tolist()
            parts = x.split(sizes)
            y = torch.cat(self._alone(parts) if gather.processes() == 1 else self._together(parts))
        if self.training and self.moving and not self.frozen:
            self.num_batches_tracked.add_(1)
        return y if self.then is None else self.then(y)

    def _alone(self, parts: tuple[Tensor, ...]) -> list[Tensor]:
        """Every group by itself."""
        mean_GC, unbiased_GC = (self.running_mean.new_zeros(len(parts), len(self.running_mean)) for _ in range(2))
        normal = [
            F.batch_norm(part, mean_C, var_C, self.weight, self.bias, True, 1.0, self.eps)
            for part, mean_C, var_C in zip(parts, mean_GC, unbiased_GC)
        ]
        self._move(mean_GC, unbiased_GC, mean_GC.new_tensor([[len(part)] for part in parts]))
        return normal

    def _together(self, parts: tuple[Tensor, ...]) -> list[Tensor]:
        """Every group with its rows in all processes. Values normalise as constants; gradient flows beside them."""
        moments = [_Moments.apply(part) for part in parts]
        mean_GC, variance_GC = (torch.stack(each) for each in zip(*moments))
        mine_G1 = mean_GC.new_tensor([[len(part)] for part in parts])
        sums_GS = _Sum.apply(torch.cat([mine_G1, mine_G1 * mean_GC], dim=1))
        rows_G1 = sums_GS[:, :1].detach()
        joint_GC = sums_GS[:, 1:] / rows_G1
        # Offsets from a mean sum to 0, so no gradient goes through this one and it may be detached.
        square_GC = mine_G1 * (variance_GC + (mean_GC - joint_GC.detach()).square())
        spread_GC = _Sum.apply(square_GC) / rows_G1 + self.eps
        values_G1 = rows_G1 * math.prod(parts[0].shape[2:])  # a group may have no row here
        self._move(joint_GC.detach(), (spread_GC.detach() - self.eps) * values_G1 / (values_G1 - 1), rows_G1)
        # y = scale (x - mean) / sqrt(spread) + shift = weight (x - constant mean) / sqrt(constant spread) + bias
        weight_GC = (spread_GC.detach() / spread_GC).sqrt()
        if self.weight is not None:
            weight_GC = weight_GC * self.weight
        bias_GC = weight_GC * (joint_GC.detach() - joint_GC) * spread_GC.detach().rsqrt()
        if self.bias is not None:
            bias_GC = bias_GC + self.bias
        return [
            F.batch_norm(part, mean_C, spread_C, weight_C, bias_C, False, 0.0, 0.0)
            for part, mean_C, spread_C, weight_C, bias_C in zip(
                parts, joint_GC.detach(), spread_GC.detach(), weight_GC, bias_GC
            )
        ]

    @torch.no_grad()
    def _move(self, mean_GC: Tensor, unbiased_GC: Tensor, rows_G1: Tensor) -> None:
        if self.moving:
            part_G1 = rows_G1 / rows_G1.sum()
            self.running_mean.lerp_((part_G1 * mean_GC).sum(0), self.momentum)
            self.running_var.lerp_((part_G1 * unbiased_GC).sum(0), self.momentum)


class _Moments(torch.autograd.Function):
    """Mean and variance (division by n) over the rows and pixels of x, per channel, by torch's batch-norm kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        wide = torch.promote_types(x.dtype, torch.float32)
        zeros_C = torch.zeros(x.shape[1], dtype=wide, device=x.device)
        if len(x) == 0:
            mean_C, variance_C = zeros_C, zeros_C.clone()
        else:
            mean_C, variance_C = torch.batch_norm_update_stats(x, zeros_C.clone(), zeros_C.clone(), 0.0)
        ctx.save_for_backward(x, mean_C)
        return mean_C, variance_C

    @staticmethod
    def backward(ctx: Any, d_mean_C: Tensor, d_variance_C: Tensor) -> Tensor:
        """(d_mean + 2 d_variance (x - mean)) / n: an affine map of x per channel, which is what a batch norm is."""
        x, mean_C = ctx.saved_tensors
        values = max(1, x[:, :1].numel())
        slope_C, start_C = 2 * d_variance_C / values, d_mean_C / values
        return F.batch_norm(x, mean_C, torch.ones_like(mean_C), slope_C, start_C, False, 0.0, 0.0)


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


def assign(rows: int, groups: int, device: torch.device, *key: keyed.Key) -> npt.NDArray[np.int64]:
    """The group of each of this process's rows (N,): equal parts of the joined batch, in order or shuffled by a key.

    Where there are several processes this is a collective call: every process must make it.
    """
    place_N, total = np.arange(rows), rows
    if gather.processes() > 1 and groups > 1:
        per_process = gather.counts(rows, device)
        place_N, total = place_N + sum(per_process[: gather.rank()]), sum(per_process)
    if key:
        place_N = keyed.permuted(place_N, total, "shuffle-bn", *key)
    group_N: npt.NDArray[np.int64] = place_N * groups // total
    return group_N


def shuffled(module: nn.Module, x: Tensor, *key: keyed.Key) -> Tensor:
    """module(x) with ShuffleBN: its BatchNorms take their groups by a draw of the key, such as (seed, step).

    The rows of one group are put together for the pass and put back afterwards, inside this process.
    """
    norms = [m for m in module.modules() if isinstance(m, BatchNorm) and m.groups > 1]
    if len({m.groups for m in norms}) > 1:
        raise ValueError("shuffled needs one number of groups in the whole module")
    if not norms:
        return module(x)  # type: ignore[no-any-return]
    group_N = assign(len(x), norms[0].groups, x.device, *key)
    order_N = torch.from_numpy(np.argsort(group_N, kind="stable")).to(x.device)
    sizes = np.bincount(group_N, minlength=norms[0].groups).tolist()
    for m in norms:
        m.sizes = sizes
    try:
        y: Tensor = module(x.index_select(0, order_N))
    finally:
        for m in norms:
            m.sizes = None
    return y.index_select(0, order_N.argsort())


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
    if type(old) not in (BatchNorm, nn.BatchNorm1d, nn.BatchNorm2d):
        from timm.layers import BatchNormAct2d  # the only other one; timm is here already if there is one

        if not isinstance(old, BatchNormAct2d):
            raise ValueError(f"{type(old).__name__} is a batch norm that cannot be put in groups")
        then = nn.Sequential(old.drop, old.act)
    if norm == "group":
        made = nn.GroupNorm(channels // 16 if channels % 16 == 0 else 1, channels, eps=old.eps)
        made.register_parameter("weight", old.weight)
        made.register_parameter("bias", old.bias)
        return made if then is None else nn.Sequential(made, then)
    frozen = norm == "frozen" or (isinstance(old, BatchNorm) and old.frozen)
    ours = BatchNorm(channels, groups=groups, eps=old.eps, momentum=old.momentum, frozen=frozen, then=then)
    ours.weight, ours.bias = old.weight, old.bias
    for name, buffer in old.named_buffers(recurse=False):
        ours.register_buffer(name, buffer)
    return ours


def normed(encoder: Any, norm: str | None, *, old_weights: bool = False) -> Any:
    """The encoder with the norms of `--norm`; `old_weights`: they come from a model with BatchNorm."""
    if norm == "group" and old_weights:
        raise Unfit("--norm group cannot go on from these weights, which were trained with BatchNorm: --norm frozen.")
    if norm in ("group", "frozen"):
        encoder.net = convert(encoder.net, norm=norm)
        encoder.spec["norm"] = norm
    return encoder
