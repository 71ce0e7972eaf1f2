"""What a run is when it is over, and what a checkpoint begins it again with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from kontrast.recipes.resolve import Plan

Start: TypeAlias = tuple[dict[str, Tensor], dict[str, Any]]  # a checkpoint's tensors and state


@dataclass
class Run:
    """A run and what came of it. `exit_code`: 0 done, 1 collapsed, 130 or 143 stopped after saving.

    `model` is what `kontrast.load` gives, and None of a run that has not ended.
    """

    path: Path | None
    plan: Plan
    ending: str
    summary: dict[str, Any]
    model: Any = None
    exit_code: int = 0

    def what(self) -> str:
        """What all processes must agree about."""
        return self.ending

    def embed(self, data: Any) -> Any:
        """The learned encoder's vectors, (N, H) float32."""
        if self.model is None:
            raise ValueError(f"this run has no model: it ended as {self.ending!r}")
        return self.model.embed(data)
