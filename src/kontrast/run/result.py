"""DOC kontrast.run.result."""

from __future__ import annotations
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from kontrast.run import chunking
from kontrast.modalities.images import report
from kontrast import methods
from kontrast.modalities.images.batches import advice
from kontrast.errors import Failed
from kontrast.modalities.modality import Kit
from kontrast.methods.method import Group
from kontrast.modalities.images.model import Model
from kontrast.distributed import gather
from kontrast.modalities.modality import Parts
from kontrast.recipes.resolve import Plan
from kontrast.settings import Settings
from kontrast.training import checkpoints, malloc, optimizers, schedules, nonfinite
from kontrast.distributed import processes
from kontrast.training.best_weights import Best
from kontrast.training.scored_pairs import together
from kontrast.training.loop import Course, Row, State, fit
from kontrast.training.run_folder import Folder
from kontrast.training.watch import Watch, retrieval_at_1


Start: TypeAlias = tuple[dict[str, Tensor], dict[str, Any]]  # a checkpoint's tensors and state


@dataclass
class Run:
    """A run and what came of it. `exit_code`: 0 done, 1 collapsed, 130 or 143 stopped after saving."""

    path: Path | None
    plan: Plan
    ending: str
    summary: dict[str, Any]
    model: Model | None
    exit_code: int = 0

    def what(self) -> str:
        """What all processes must agree about."""
        return self.ending

    def embed(self, data: Any) -> Any:
        """The learned encoder's vectors, (N, H) float32."""
        if self.model is None:
            raise ValueError(f"this run has no model: it ended as {self.ending!r}")
        return self.model.embed(data)
