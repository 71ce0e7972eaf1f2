"""Losses against dense float64 arithmetic at ordinary and hard temperatures, and a run that meets a bad number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kontrast import keyed, losses
from kontrast.errors import Failed
from kontrast.training import optimizers
from kontrast.training.loop import State, one_step
from kontrast.verify import tiny_methods
from kontrast.verify.findings import Finding

ROWS, WIDTH = 40, 16
TEMPERATURES = (0.5, 0.05, 0.005)
EPS = torch.finfo(torch.float32).eps


def check(names: Sequence[str] = tiny_methods.NAMES) -> list[Finding]:
    """float64 to 1e-10; fp32 to 8 eps / T; half-precision rows are compared in fp32; a NaN stops every method."""
    found = []
    for loss, (ours, dense) in LOSSES.items():
        for temperature in TEMPERATURES:
            rows = _rows()
            right = dense(*rows, temperature)
            exact = abs(float(ours(*rows, temperature) - right))
            single, half = (_narrow(ours, dense, temperature, dtype) for dtype in (torch.float32, torch.float16))
            bound = 8 * EPS * max(1.0, 1 / temperature)
            found.append(Finding("numerics", f"{loss}, T {temperature:g}: float64 - dense", exact, 1e-10))
            found.append(Finding("numerics", f"{loss}, T {temperature:g}: fp32 - dense", single, bound))
            found.append(Finding("numerics", f"{loss}, T {temperature:g}: fp16 rows - dense", half, bound))
    found += [Finding("numerics", f"{name}: steps taken on a NaN", int(goes_on(name)), 0) for name in names]
    return found


def _rows() -> tuple[Tensor, Tensor]:
    first_BD, noise_BD = (
        torch.randn(ROWS, WIDTH, generator=keyed.generator("numerics", v), dtype=torch.float64) for v in (0, 1)
    )
    return first_BD, first_BD + 0.5 * noise_BD


def _narrow(ours: Of, dense: Of, temperature: float, dtype: torch.dtype) -> float:
    """The distance for rows of this type to the dense float64 value of the same rounded rows."""
    x, y = (row.to(dtype) for row in _rows())
    return abs(float(ours(x, y, temperature) - dense(x.double(), y.double(), temperature)))


def _logits(x: Tensor, y: Tensor, temperature: float) -> Tensor:
    unit = torch.nn.functional.normalize
    return unit(x, dim=1) @ unit(y, dim=1).T / temperature


def _dense_info_nce(x: Tensor, y: Tensor, temperature: float) -> Tensor:
    logit_BB = _logits(x, y, temperature)
    return (logit_BB.logsumexp(1) - logit_BB.diagonal()).mean()


def _dense_nt_xent(x: Tensor, y: Tensor, temperature: float) -> Tensor:
    both = torch.cat([x, y])
    logit_NN = _logits(both, both, temperature).fill_diagonal_(-torch.inf)
    partner_N = torch.arange(len(both)).roll(len(x))
    return (logit_NN.logsumexp(1) - logit_NN[torch.arange(len(both)), partner_N]).mean()


def _dense_clip(x: Tensor, y: Tensor, temperature: float) -> Tensor:
    return (_dense_info_nce(x, y, temperature) + _dense_info_nce(y, x, temperature)) / 2


Of = Callable[[Tensor, Tensor, float], Tensor]
LOSSES: dict[str, tuple[Of, Of]] = {
    "info_nce": (lambda x, y, t: losses.info_nce(x, y, temperature=t), _dense_info_nce),
    "nt_xent": (lambda x, y, t: losses.nt_xent(torch.stack([x, y]), temperature=t), _dense_nt_xent),
    "clip": (lambda x, y, t: losses.clip(x, y, temperature=t), _dense_clip),
}


def goes_on(name: str) -> bool:
    """Whether a step is taken although the encoder's weights gave a NaN."""
    method = tiny_methods.method(name, torch.float32)
    groups = method.parameter_groups()
    optimizer = optimizers.optimizer(groups, "sgd", lr=0.1, weight_decay=0.0)
    with torch.no_grad():
        next(weight for weight in method.encoder.parameters() if weight.ndim > 1).fill_(torch.nan)
    batch = replace(tiny_methods.batch(name, 0, torch.float32), step=3)
    try:
        one_step(method, batch, optimizer, groups, State(3), "fp32", torch.device("cpu"))
    except Failed as problem:
        return "step 3" not in str(problem)
    return True
