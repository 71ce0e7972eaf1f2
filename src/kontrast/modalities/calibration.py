"""BatchNorm that never saw data, measured before its encoder stands beside a trained one.

Such a norm passes its input on as it is, which no trained encoder does: untouched, random weights look better or worse
than they are by up to 7 points of kNN. Measured are mean and variance alone, without labels; no weight moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from kontrast import keyed
from kontrast.data.source import Source
from kontrast.encoders.norm import BatchNorm
from kontrast.keyed import Ids

PICTURES = 1024  # looked at, at most
WHOLE = 256  # beyond so many, a multiple of it: a last batch of one picture has no variance


def calibrated(model: Any, source: Source, ids: Ids) -> int:
    """Measure each BatchNorm whose statistics are those it was made with, on up to 1,024 of these pictures.

    The statistics are the mean over batches, as in training. Norms that have seen data and frozen ones stay as they
    are. Returns how many pictures were looked at; 0: nothing was to be done.
    """
    norms: list[Any] = [module for module in model.encoder.modules() if _untrained(module)]
    count = min(len(ids), PICTURES)
    count -= count % WHOLE if count > WHOLE else 0
    if not norms or count < 2 or source.pictures is None:
        return 0
    moments, seen = [norm.momentum for norm in norms], dict.fromkeys(norms, 0)

    def begin(norm: Any, *_: Any) -> None:
        seen[norm] += 1
        norm.training, norm.momentum = True, 1 / seen[norm]

    def end(norm: Any, *_: Any) -> None:
        norm.training = False

    hooks = [norm.register_forward_pre_hook(begin) for norm in norms]
    hooks += [norm.register_forward_hook(end) for norm in norms]
    try:
        model.embed_source(source, np.sort(ids[np.argsort(keyed.words("calibration", ids), kind="stable")[:count]]))
    finally:
        for hook in hooks:
            hook.remove()
        for norm, momentum in zip(norms, moments):
            norm.momentum = momentum
    return count


def _untrained(module: nn.Module) -> bool:
    if not isinstance(module, BatchNorm | _BatchNorm) or (isinstance(module, BatchNorm) and module.frozen):
        return False
    mean, variance = module.running_mean, module.running_var
    return mean is not None and variance is not None and bool((mean == 0).all() and (variance == 1).all())
