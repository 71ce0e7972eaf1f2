"""How long a run will take and how much memory: a few seconds of the run itself, from which the rest follows.

    seconds = steps x seconds of a step  +  epochs x a look at the held-out part  +  decoding what is decoded once

The evaluation after the last step is not in it.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from kontrast.data.pixels.unread import Met
from kontrast.data.source import Source
from kontrast.run.plan import planned_on
from kontrast.run.ready import put_together
from kontrast.run.trainer import Trainer
from kontrast.settings import Settings
from kontrast.training import loop, signals

LEAST = 2  # steps, however long they take


@dataclass
class Clock:
    """The books of a trial: when each step ended, and how long the looks at the held-out part took."""

    trainer: Trainer
    until: float
    ends: list[float] = field(default_factory=lambda: [time.monotonic()])
    epochs: list[float] = field(default_factory=list)
    evaluations: list[float] = field(default_factory=list)

    def log(self, row: loop.Row) -> None:
        """Nothing is written."""

    def save(self) -> None:
        """Nothing is written."""

    def each_epoch(self, epoch: int) -> None:
        self.epochs.append(self._timed(self.trainer.held_out.each_epoch, epoch))

    def evaluate(self) -> None:
        self.evaluations.append(self._timed(self.trainer.held_out.evaluate))

    def _timed(self, look: Any, *words: Any) -> float:
        began = time.monotonic()
        look(*words)
        took = time.monotonic() - began
        self.ends[-1] += took  # no part of the next step
        return took

    def stop(self) -> int:
        self.ends.append(time.monotonic())
        return int(len(self.ends) > LEAST and self.ends[-1] > self.until) or self.trainer.came.code


def estimated(source: Source, asked: Settings, seconds: float, decoding: float) -> dict[str, Any]:
    """Run this plan for about so many seconds. decoding: seconds that reading one picture takes, 0 without pictures.

    Returns seconds of a step and of the whole run, steps, memory in bytes, and what the batches said of the data.
    """
    with signals.caught("the trial") as came:
        plan, samples = planned_on(source, asked)
        ready = put_together(plan, samples, None)
        trainer = Trainer(ready, lambda text: None, None, came)
        messages = list(trainer.training.batches.messages)
        clock, met = Clock(trainer, time.monotonic() + seconds), _met(samples.source)
        training = replace(trainer.training, course=replace(trainer.training.course, stop_seconds=float("inf")))
        clock.ends[-1] = time.monotonic()
        loop.fit(training, clock)
        if came.code:
            raise came.interrupted()
        took = np.diff(clock.ends)
        step = float(took[1:].mean() if len(took) > 1 else took[0])
        new = _met(samples.source) - met
        step = max(1e-6, step - new * decoding / len(took)) if new > 0 else step
        if not clock.epochs:
            clock.each_epoch(0)
    per_epoch, steps = ready.steps()
    s = plan.settings
    once = decoding * len(samples.train_ids) if isinstance(samples.source.pictures, Met) else 0.0
    looks = -(-steps // per_epoch) * clock.epochs[-1]
    if s.evaluate_every and clock.evaluations:
        looks += steps // s.evaluate_every * clock.evaluations[-1]
    return {
        "method": plan.name,
        "encoder": s.encoder,
        "steps": steps,
        "epochs": s.epochs,
        "batch_size": s.batch_size,
        "measured_steps": len(took),
        "seconds_per_step": round(step, 5),
        "seconds": round(steps * step + looks + once, 2),
        "memory_bytes": _memory(samples.device),
        "device": str(samples.device),
        "messages": messages,
    }


def _met(source: Source) -> int:
    return source.pictures.count() if isinstance(source.pictures, Met) else 0


def _memory(device: torch.device) -> int:
    """The most that this process, or the device, has held so far."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
