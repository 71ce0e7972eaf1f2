"""A run that stopped is the same run: memory of every kind comes back from a checkpoint with the same bits.

Six steps at once, against three steps, a checkpoint on disk, everything built anew from it, and three more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kontrast.methods.method import Progress
from kontrast.training import checkpoints, optimizers
from kontrast.training.loop import State, one_step
from kontrast.verify import tiny_methods
from kontrast.verify.findings import Finding

STEPS = 6


def check(names: Sequence[str] = tiny_methods.NAMES) -> list[Finding]:
    """Bits that differ at the end, of all tensors of the method and its optimizer: none may."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            Finding("resume", f"{name}: tensors that differ after a resume", differing(name, Path(folder) / str(at)), 0)
            for at, name in enumerate(names)  # a name may be the path of the user's own file
        ]


def differing(name: str, folder: Path) -> int:
    """How many tensors are not the same to the last bit."""
    whole = _Training(name)
    whole.go(0, STEPS)
    broken = _Training(name)
    broken.go(0, STEPS // 2)
    checkpoints.save(folder, broken.tensors(), {"step": STEPS // 2})
    tensors, state, _ = checkpoints.newest(folder)
    resumed = _Training(name)
    resumed.take(tensors)
    resumed.go(state["step"], STEPS)
    one, other = whole.tensors(), resumed.tensors()
    return sum(not torch.equal(one[key], other[key]) for key in one) + len(one.keys() ^ other.keys())


class _Training:
    """A method and its optimizer, as the loop has them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.method: Any = tiny_methods.method(name, torch.float32)
        self.groups = self.method.parameter_groups()
        self.optimizer = optimizers.optimizer(self.groups, "adamw", lr=1e-2, weight_decay=1e-2)

    def go(self, start: int, stop: int) -> None:
        cpu = torch.device("cpu")
        for step in range(start, stop):
            batch = tiny_methods.batch(self.name, step, torch.float32)
            outcome = one_step(self.method, batch, self.optimizer, self.groups, State(step), "fp32", cpu)
            self.method.after_step(outcome, Progress(step + 1, tiny_methods.STEPS))

    def tensors(self) -> dict[str, Tensor]:
        own = {f"method.{name}": tensor for name, tensor in self.method.state_dict().items()}
        return own | optimizers.tensors(self.optimizer, self.groups)

    def take(self, tensors: dict[str, Tensor]) -> None:
        own = {k.removeprefix("method."): v for k, v in tensors.items() if k.startswith("method.")}
        self.method.load_state_dict(own, strict=False)
        kept = {k: v for k, v in tensors.items() if k.startswith("optimizer.")}
        optimizers.restore(self.optimizer, self.groups, kept)
