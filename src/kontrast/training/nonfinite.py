"""Where numbers went bad: the first module of a step, in order of computation, whose output is no longer finite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import keyed
from kontrast.distributed import gather
from kontrast.methods.method import Batch
from kontrast.training.loop import autocast


def first_not_finite(method: Any, batch: Batch, precision: str, device: torch.device) -> str:
    """A few words for the message of a run that stopped, from computing its step once more with the same weights.

    With several processes nothing is computed again: a process alone would wait for the others for ever.
    """
    weights = [name for name, parameter in method.named_parameters() if not bool(torch.isfinite(parameter).all())]
    if weights:
        return f"the weights {weights[0]} were not finite before it"
    if gather.processes() > 1:
        return ""
    found: list[str] = []

    def look(name: str) -> Any:
        def after(module: nn.Module, given: Any, made: Any) -> None:
            if not found and not all(bool(torch.isfinite(part).all()) for part in _tensors(made)):
                found.append(name)

        return after

    leaves = [(name, module) for name, module in method.named_modules() if name and not any(module.children())]
    hooks = [module.register_forward_hook(look(name)) for name, module in leaves]
    try:
        with autocast(precision, device), keyed.lent(device, "step", batch.seed, batch.step, gather.rank()):
            outcome = method.compare(method.embed(batch))
        if not found and bool(torch.isfinite(outcome.loss)):
            outcome.loss.backward()
            bad = [n for n, p in method.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())]
            return f"the gradient of {bad[-1]} is the first that is not finite" if bad else ""
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in method.parameters():
            parameter.grad = None
    return f"{found[0]} is the first whose output is not finite" if found else "the outputs are finite, the loss is not"


def _tensors(made: Any) -> Iterator[Tensor]:
    if isinstance(made, Tensor):
        if made.is_floating_point():
            yield made
    elif isinstance(made, (tuple, list, dict)):
        for part in made.values() if isinstance(made, dict) else made:
            yield from _tensors(part)
