"""The slow copy of a module (momentum encoder, target network): it follows, and is never trained.

He 2020 (MoCo), Grill 2020 (BYOL). Only parameters follow. Its BatchNorm runs in train mode on its own batches and keeps
its own running statistics: following those too would count them twice.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn


class Twin(nn.Module):
    """A deep copy without gradient; `twin(x)` calls it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        return self.module(*inputs)

    @torch.no_grad()
    def follow(self, module: nn.Module, keep: float) -> None:
        """parameter <- keep * parameter + (1 - keep) * the module's parameter."""
        torch._foreach_lerp_(list(self.module.parameters()), list(module.parameters()), 1.0 - keep)


def keep_at(step: int, total: int, start: float, end: float = 1.0) -> float:
    """BYOL's momentum after `step` of `total` steps: end - (end - start) (cos(pi step / total) + 1) / 2."""
    return end - (end - start) * (math.cos(math.pi * step / total) + 1) / 2
