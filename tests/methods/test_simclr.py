"""Five training steps of SimCLR against the paper's arithmetic in float64."""

import torch
from tests.methods.made import MADE, floats
from tests.methods.parity import run, weights
from tests.methods.stepping import WIDTH, Tiny, made_up, oracle

from kontrast.methods import simclr
from kontrast.methods.method import Progress


def test_simclr():
    method = simclr.SimCLR(Tiny(), WIDTH, simclr.Config(width=5, hidden=7, temperature=0.3), seed=1).double()
    run(method, oracle.SimCLR(weights(method), 0.3))


def test_simclr_queues_the_second_views():
    method = MADE["simclr, more"]()
    outcome = method.compare(method.embed(floats(made_up(0))))
    method.after_step(outcome, Progress(1, 10))
    kept = method.negatives.queue.keys_KD
    second = torch.nn.functional.normalize(outcome.embeddings["views"][1].detach())
    assert torch.cdist(kept, second).amin(1).max() < 1e-3
