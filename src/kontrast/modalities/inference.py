"""A model in use: how it is run, and what stands beside it in every table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from kontrast.training import malloc

BATCH = 256  # pictures or sentences encoded at once; no result depends on it


@contextmanager
def evaluating(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode, no gradient, and true fp32: no autocast and no TF32, whatever training uses. Then as before.

    Memory that batches used stays with the process, as in training: each batch needs it again.
    """
    malloc.kept()
    training = encoder.training
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    encoder.eval()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        encoder.train(training)
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def columns_of(model: Any, before: Any, seed: int) -> dict[str, Any]:
    """The learned model beside what knows less. A run that began at random began with the random weights."""
    random = model.random(seed)
    return {"learned": model, "before": random if before is None else before, "random_weights": random}
