"""A model in use: how it is run, and what stands beside it in every table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from kontrast import keyed
from kontrast.data.source import Source
from kontrast.encoders.norm import BatchNorm
from kontrast.keyed import Ids

BATCH = 256  # pictures or sentences encoded at once; no result depends on it
CALIBRATION = 1024  # pictures on which norms that never saw data are measured, at most


@contextmanager
def evaluating(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode, no gradient, and true fp32: no autocast and no TF32, whatever training uses. Then as before."""
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


def columns_of(
    model: Any, before: Any, seed: int, look: tuple[Source, Ids] | None = None
) -> tuple[dict[str, Any], str]:
    """(the learned model beside what knows less, what was done to them). A run that began at random began with the
    random weights.

    look  pictures on which norms that never saw data are measured first: see `calibrated`
    """
    random = model.random(seed)
    models = {"learned": model, "before": random if before is None else before, "random_weights": random}
    counts = [calibrated(one, *look) for one in {id(one): one for one in models.values()}.values()] if look else [0]
    if not look or not max(counts):
        return models, ""
    return (
        models,
        f"norms of random weights, which never saw data, measured on {max(counts):,} pictures of {look[0].name}",
    )


def calibrated(model: Any, source: Source, ids: Ids) -> int:
    """Measure mean and variance of each BatchNorm that never saw data, on up to 1,024 of these pictures, without labels.

    Such a norm passes its input on as it is, which no trained encoder does: beside it random weights look better or
    worse than they are by up to 7 points of kNN. Statistics are the mean over batches, as in training. Norms with
    statistics of their own and frozen ones stay. Returns how many pictures were looked at; 0: nothing was to be done.
    """
    norms = [norm for norm in model.encoder.modules() if _untrained(norm)]
    count = min(len(ids), CALIBRATION)
    count -= count % BATCH if count > BATCH else 0  # whole batches: a last one of one picture has no variance
    if not norms or count < 2 or source.pictures is None:
        return 0
    moments = [norm.momentum for norm in norms]
    seen = dict.fromkeys(norms, 0)

    def begin(norm: Any, _: Any) -> None:
        seen[norm] += 1
        norm.training, norm.momentum = True, 1 / seen[norm]

    def end(norm: Any, *_: Any) -> None:
        norm.training = False

    hooks = [
        hook for norm in norms for hook in (norm.register_forward_pre_hook(begin), norm.register_forward_hook(end))
    ]
    try:
        model.embed_source(source, np.sort(ids[np.argsort(keyed.words("calibration", ids), kind="stable")[:count]]))
    finally:
        for hook in hooks:
            hook.remove()
        for norm, momentum in zip(norms, moments):
            norm.momentum = momentum
    return count


def _untrained(norm: nn.Module) -> bool:
    """Whether this is a BatchNorm whose statistics are those it was made with."""
    if not isinstance(norm, BatchNorm | nn.modules.batchnorm._BatchNorm) or (
        isinstance(norm, BatchNorm) and norm.frozen
    ):
        return False
    mean, variance = norm.running_mean, norm.running_var
    return mean is not None and variance is not None and bool((mean == 0).all() and (variance == 1).all())
