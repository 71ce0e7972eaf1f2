"""What the tests of methods share: a tiny float64 encoder, batches of made-up rows, and one training step."""

import torch
from tests import method_oracles as oracle  # noqa: F401
from torch import nn

from kontrast import keyed
from kontrast.encoders.norm import BatchNorm
from kontrast.methods.method import Batch, Progress

IN, WIDTH, ROWS, SAMPLES, TOTAL = 6, 8, 16, 40, 10


class Tiny(nn.Module):
    """(B, 6, L) -> (B, 8): the mean over L, Linear, BatchNorm, ReLU."""

    def __init__(self, norm=True):
        super().__init__()
        draw = keyed.generator("tiny encoder")
        linear = nn.utils.skip_init(nn.Linear, IN, WIDTH)
        for parameter in linear.parameters():
            nn.init.normal_(parameter, std=0.5, generator=draw)
        self.layers = nn.Sequential(linear, *([BatchNorm(WIDTH)] if norm else []), nn.ReLU())

    def forward(self, x):
        return self.layers(x.mean(-1))


def normal(shape, *key):
    return torch.randn(shape, generator=keyed.generator(*key), dtype=torch.float64)


def made_up(step, lengths=(2, 2), rows=ROWS, seed=5, groups=None):
    """Views that are noisy copies of each sample's own row; sample ids come back after a few steps."""
    ids = (torch.arange(rows) * 3 + 7 * step) % SAMPLES
    own = normal((SAMPLES, IN, 1), "samples")[ids]
    views = tuple(own + 0.5 * normal((rows, IN, n), "view", v, step) for v, n in enumerate(lengths))
    return Batch(views, ids, step, TOTAL, seed, groups_B=None if groups is None else ids % groups)


def train_step(method, batch, optimizer, frozen=True):
    """One step as the loop makes it; returns the outcome and the gradients by name."""
    outcome = method.compare(method.embed(batch).joined())
    outcome.loss.backward()
    gradients = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
    for group in method.parameter_groups():
        if frozen and batch.step < group.frozen_until:
            for parameter in group.parameters:
                parameter.grad = None
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    method.after_step(outcome, Progress(batch.step + 1, batch.total))
    return outcome, gradients
