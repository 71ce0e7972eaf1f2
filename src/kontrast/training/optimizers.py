"""Optimizers over the groups that a method declares: SGD and AdamW are torch's, LARS (three published forms) is ours,
and so is Muon (`muon.py`).

A parameter whose gradient is None stands still: no decay, no momentum. That is how parameters are frozen. The state is
plain tensors, `optimizer.GROUP.PLACE.NAME`, all there from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kontrast.methods.method import Group
from kontrast.settings import WORDED, worded
from kontrast.training.muon import Muon

LARS_VARIANTS = ("simclr", "byol", "apex")


def optimizer(
    groups: Sequence[Group],
    name: str,
    *,
    lr: float,
    weight_decay: float,
    momentum: float = 0.9,
    nesterov: bool = False,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    variant: str = "simclr",
    trust: float = 0.001,
    clip: bool = False,
) -> torch.optim.Optimizer:
    """An optimizer whose groups follow `decay`, `adapt` and `scale` of the method's groups.

    name                    "sgd" (momentum, nesterov), "adamw" (betas, eps), "lars" (momentum, variant, trust, clip)
                            or "muon" (momentum, betas, eps)
    variant, trust, clip    see `Lars`
    """
    of_groups = [
        {
            "params": group.parameters,
            "lr": lr * group.scale,
            "weight_decay": weight_decay if group.decay else 0.0,
            "adapt": group.adapt,
        }
        for group in groups
        if group.parameters
    ]
    made: torch.optim.Optimizer
    begun: tuple[str, ...] = ("momentum_buffer",)
    if name == "sgd":
        made = torch.optim.SGD(of_groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)
        begun = begun if momentum else ()
    elif name == "adamw":
        made = torch.optim.AdamW(of_groups, lr=lr, betas=betas, eps=eps, fused=True)
        begun = ("exp_avg", "exp_avg_sq")
    elif name == "lars":
        made = Lars(of_groups, lr=lr, momentum=momentum, variant=variant, trust=trust, clip=clip)
    elif name == "muon":
        return Muon(of_groups, lr=lr, momentum=momentum, betas=betas, eps=eps)  # its state is there from the start
    else:
        raise ValueError(f'optimizer must be "sgd", "adamw", "lars" or "muon", got {name!r}')
    for parameter in (p for group in groups for p in group.parameters):
        made.state[parameter] = {key: torch.zeros_like(parameter) for key in begun}
        if name == "adamw":
            made.state[parameter]["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
    return made


def named(groups: Sequence[Group], words: str, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """The optimizer that a recipe names: "adamw", "adamw:beta2=0.98,eps=1e-6", "lars:byol", "sgd:nesterov"."""
    name, requested = worded(words, WORDED["optimizer"], "--optimizer")
    options: dict[str, Any] = dict(requested)
    for flag in ("nesterov", "clip"):
        if flag in options:
            options[flag] = True
    variants = [variant for variant in LARS_VARIANTS if options.pop(variant, False)]
    if variants:
        options["variant"] = variants[-1]
    if name == "muon":
        options = {"momentum": 0.95, "beta2": 0.95} | options
    if name in ("adamw", "muon"):
        options["betas"] = (options.pop("beta1", 0.9), options.pop("beta2", 0.999))
    return optimizer(groups, name, lr=lr, weight_decay=weight_decay, **options)


class Lars(torch.optim.Optimizer):
    """Layer-wise adaptive rates (You 2017) with momentum, in the published forms, which are not interchangeable.

    With weight p, gradient g, decay w, momentum m, learning rate lr and norms of whole tensors:

        simclr  r = trust |p| / |g + w p|;           v = m v + lr r (g + w p);  p -= v
        byol    the same r;                          v = m v + r (g + w p);     p -= lr v    (Barlow Twins too)
        apex    r = trust |p| / (|g| + w |p| + eps); v = m v + r (g + w p);     p -= lr v    (SwAV, lightly, solo-learn)

    r = 1 where a norm is 0. In groups with adapt=False r = 1: plain SGD. `clip` (apex) takes r = min(r / lr, 1).
    Where lr changes, simclr remembers the rate each gradient came with, the others do not.
    Sources: google-research/simclr lars_optimizer.py; deepmind byol/utils/optimizers.py; facebookresearch barlowtwins
    main.py; NVIDIA apex/parallel/LARC.py.
    """

    def __init__(
        self,
        params: Sequence[dict[str, object]],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        variant: str = "simclr",
        trust: float = 0.001,
        clip: bool = False,
        eps: float = 1e-8,
    ) -> None:
        if variant not in LARS_VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(LARS_VARIANTS)}, got {variant!r}")
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "adapt": True})
        self.momentum, self.variant, self.trust, self.clip, self.eps = momentum, variant, trust, clip, eps

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step, without waiting for the device."""
        if closure is not None:
            raise ValueError("Lars takes no closure: compute the gradients, then call step().")
        for group in self.param_groups:
            weights: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            lr, decay = group["lr"], group["weight_decay"]
            gradients: list[Tensor] = [p.grad for p in weights if p.grad is not None]
            updates = list(torch._foreach_add(gradients, weights, alpha=decay))
            if group["adapt"]:
                torch._foreach_mul_(updates, self._ratios(weights, gradients, updates, lr, decay))
            inside, outside = (lr, 1.0) if self.variant == "simclr" else (1.0, lr)
            buffers = [self.state[p]["momentum_buffer"] for p in weights]
            torch._foreach_mul_(buffers, self.momentum)
            torch._foreach_add_(buffers, updates, alpha=inside)
            torch._foreach_add_(weights, buffers, alpha=-outside)

    def _ratios(
        self, weights: list[Tensor], gradients: list[Tensor], updates: list[Tensor], lr: float, decay: float
    ) -> list[Tensor]:
        weight_P = torch.stack(torch._foreach_norm(weights))
        if self.variant == "apex":
            gradient_P = torch.stack(torch._foreach_norm(gradients))
            ratio_P = self.trust * weight_P / (gradient_P + decay * weight_P + self.eps)
        else:
            gradient_P = torch.stack(torch._foreach_norm(updates))
            ratio_P = self.trust * weight_P / gradient_P
        if self.clip:
            ratio_P = (ratio_P / lr).clamp(max=1.0)
        return list(torch.where((weight_P > 0) & (gradient_P > 0), ratio_P, 1.0).unbind())


def set_rate(optimizer: torch.optim.Optimizer, groups: Sequence[Group], rate: float) -> None:
    """Set the learning rate of this step; each group has its own factor on it."""
    for mine, group in zip(optimizer.param_groups, (g for g in groups if g.parameters)):
        mine["lr"] = rate * group.scale


def drop_frozen(groups: Sequence[Group], step: int) -> None:
    """Drop the gradients of groups that are still frozen at this step (SwAV's prototypes); call it before `step()`."""
    for group in groups:
        if step < group.frozen_until:
            for parameter in group.parameters:
                parameter.grad = None


def tensors(optimizer: torch.optim.Optimizer, groups: Sequence[Group]) -> dict[str, Tensor]:
    """The whole state of the optimizer by name, for a checkpoint; nothing is copied."""
    return {
        f"optimizer.{g}.{p}.{key}": value
        for g, group in enumerate(groups)
        for p, parameter in enumerate(group.parameters)
        for key, value in optimizer.state[parameter].items()
    }


def restore(optimizer: torch.optim.Optimizer, groups: Sequence[Group], kept: dict[str, Tensor]) -> None:
    """Put back what `tensors` gave. ValueError if names or shapes are not exactly those of this optimizer."""
    mine = tensors(optimizer, groups)
    if differ := sorted(mine.keys() ^ kept.keys()):
        raise ValueError(f"optimizer state does not fit: {len(differ)} names differ, the first is {differ[0]}")
    for name, tensor in mine.items():
        if tensor.shape != kept[name].shape:
            raise ValueError(f"optimizer state {name} must be {tuple(tensor.shape)}, got {tuple(kept[name].shape)}")
        tensor.copy_(kept[name])
