"""DOC kontrast.training.signals."""

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


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that holds the exit code once SIGINT or SIGTERM came; the loop saves and ends after the step."""
    caught: list[int] = []
    before = {}
    try:
        for number, code in SIGNALS.items():
            before[number] = signal.signal(number, lambda *_, code=code: caught.append(code))
    except ValueError:
        pass  # not the main thread: the host program keeps its own handlers
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
