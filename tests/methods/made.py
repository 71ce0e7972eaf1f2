"""Each method on a tiny encoder, and what was trained of it."""

from dataclasses import replace

import pytest
import torch
from tests.methods.stepping import WIDTH, Tiny, made_up, train_step

from kontrast.methods import barlow_twins, byol, moco, simclr, swav

MADE = {
    "simclr": lambda **k: simclr.SimCLR(Tiny(**k), WIDTH, simclr.Config(width=5), seed=1),
    "simclr, more": lambda **k: simclr.SimCLR(
        Tiny(**k), WIDTH, simclr.Config(width=5, negatives="queue:12+mixed:6+reweighted:1+debiased:0.1"), seed=1
    ),
    "moco": lambda **k: moco.MoCo(Tiny(**k), WIDTH, moco.Config(width=5, queue=24, bn_groups=2, momentum=0.9), seed=1),
    "moco, more": lambda **k: moco.MoCo(
        Tiny(**k), WIDTH, moco.Config(width=5, hidden=7, symmetric=True, negatives="queue:30+mined:9+mixed:6"), seed=1
    ),
    "swav": lambda **k: swav.SwAV(
        Tiny(**k), WIDTH, swav.Config(width=5, hidden=7, prototypes=9, frozen=1, queue=20, queue_from=0), seed=1
    ),
    "byol": lambda **k: byol.BYOL(Tiny(**k), WIDTH, byol.Config(width=5, hidden=7, momentum=0.9), seed=1),
    "barlow-twins": lambda **k: barlow_twins.BarlowTwins(
        Tiny(**k), WIDTH, barlow_twins.Config(width=5, hidden=7), seed=1
    ),
}


every_method = pytest.mark.parametrize("name", MADE)


def trained(name, steps, lengths=(2, 2)):
    method = MADE[name]()
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    outcomes = [train_step(method, floats(made_up(step, lengths)), optimizer)[0] for step in range(steps)]
    return method, outcomes


def floats(batch):
    return replace(batch, views=tuple(view.float() for view in batch.views))


def equal(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)
