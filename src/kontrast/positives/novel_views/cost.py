"""What a fit will cost and reach, said before it starts: a trial of ten seconds on the capture itself."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch

from kontrast.positives.novel_views.captures import Capture
from kontrast.positives.novel_views.fit import STAGES, Fit, Plan
from kontrast.positives.novel_views.scores import psnr

SECONDS = 10.0  # of a trial
FIRST = 0.6  # of it, for learning at the first stage
MOST, FEWEST = 500, 60  # steps of a fit
GAIN = (
    1.9  # dB of held-out photos for e times as many steps: 1.6 to 2.4 on the fox of instant-ngp, from 25 to 600 steps
)


@dataclass(frozen=True)
class Cost:
    """What a trial found.

    step      seconds of a step, the mean over a whole fit
    render    seconds of a picture
    steps, psnr  of the trial: how many of the first stage, and how near a held-out photo is after them, in dB
    """

    step: float
    render: float
    steps: int
    psnr: float

    def affordable(self, minutes: float, renders: int) -> int:
        """Steps that fit into so many minutes beside the renders."""
        left = 60 * minutes - renders * self.render
        return max(FEWEST, min(MOST, int(left / self.step)))

    def minutes(self, steps: int, renders: int) -> float:
        """How long a fit and its renders will take."""
        return (steps * self.step + renders * self.render) / 60

    def expected(self, steps: int) -> float:
        """PSNR of held-out photos after so many steps, in dB: a rule of thumb, right to about 3 dB."""
        return self.psnr + GAIN * math.log(max(steps / self.steps, 1.0))


def tried(capture: Capture, background: str, seed: int, seconds: float = SECONDS) -> Cost:
    """Fit for a moment, then take two steps at each later stage for their time."""
    plan = Plan(1 << 30, background=background, seed=seed)
    fit = Fit(capture, plan, "cuda" if torch.cuda.is_available() else "cpu")
    begun = time.monotonic()
    while fit.step == 0 or time.monotonic() - begun < FIRST * seconds:
        fit.advance()
    steps, spent = fit.step, time.monotonic() - begun
    began = time.monotonic()
    view = fit.held[len(fit.held) // 2]
    reached = psnr(fit.render(capture.cameras, view).colour, fit.photo(view))
    render, step = time.monotonic() - began, STAGES[0][2] * spent / steps
    for stage in range(1, len(STAGES)):
        fit.enter(stage)
        fit.advance()
        began = time.monotonic()
        fit.advance()
        step += STAGES[stage][2] * (time.monotonic() - began)
    return Cost(step, render, steps, reached)
