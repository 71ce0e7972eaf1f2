"""Learning rates as functions of the step: each gives a factor on the peak rate, from step 0 to the last.

All begin with `warmup` steps on a straight line from `start` to 1 (the first step has the factor `start`, as in the
SimCLR, Barlow Twins and SwAV code), then go from 1 to `end` over the other steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from kontrast.settings import WORDED, worded

Schedule: TypeAlias = Callable[[int], float]


def cosine(steps: int, *, warmup: int = 0, start: float = 0.0, end: float = 0.0) -> Schedule:
    """end + (1 - end) (1 + cos(pi t)) / 2, with t from 0 to 1 after the warm-up."""
    return _warmed(lambda t: end + (1 - end) * (1 + math.cos(math.pi * t)) / 2, steps, warmup, start)


def linear(steps: int, *, warmup: int = 0, start: float = 0.0, end: float = 0.0) -> Schedule:
    """1 - (1 - end) t."""
    return _warmed(lambda t: 1 - (1 - end) * t, steps, warmup, start)


def constant(steps: int, *, warmup: int = 0, start: float = 0.0) -> Schedule:
    """1 after the warm-up."""
    return _warmed(lambda t: 1.0, steps, warmup, start)


def step(steps: int, *, at: tuple[float, ...] = (0.6, 0.8), factor: float = 0.1) -> Schedule:
    """Times `factor` at each of these parts of the run: MoCo v1 falls at epochs 120 and 160 of 200."""
    return lambda now: factor ** sum(now >= round(part * steps) for part in at)


def by_epoch(schedule: Schedule, per_epoch: int) -> Schedule:
    """The same schedule, moved once an epoch, as MoCo v2 does."""
    return lambda step: schedule(step - step % per_epoch)


def named(words: str, steps: int, *, warmup: int, per_epoch: int) -> Schedule:
    """The schedule that a recipe names: "cosine", "cosine:end=0.001", "linear", "step" (without a warm-up)."""
    name, options = worded(words, WORDED["schedule"], "--schedule")
    each_epoch = options.pop("epoch", 0)
    if name in ("step", "falls"):
        return step(steps)
    made = {"cosine": cosine, "linear": linear, "constant": constant}[name](steps, warmup=warmup, **options)
    return by_epoch(made, per_epoch) if each_epoch else made


def _warmed(after: Callable[[float], float], steps: int, warmup: int, start: float) -> Schedule:
    if not 0 <= warmup <= steps:
        raise ValueError(f"warmup must be between 0 and the {steps} steps of the run, got {warmup}")

    def factor(step: int) -> float:
        if step < warmup:
            return start + (1 - start) * step / warmup
        return after((step - warmup) / max(1, steps - warmup))

    return factor
