"""Five training steps of SwAV against the paper's arithmetic in float64: loss, gradients, prototypes and queue."""

import pytest
import torch
from tests.methods.made import floats
from tests.methods.parity import run, same, weights
from tests.methods.stepping import ROWS, WIDTH, Tiny, made_up, oracle, train_step

from kontrast.methods import swav


@pytest.mark.parametrize("lengths", [(2, 2), (2, 2, 3, 3)])
@pytest.mark.parametrize("queue", [0, 2 * ROWS])
def test_swav(lengths, queue):
    config = swav.Config(width=5, hidden=7, prototypes=11, frozen=2, queue=queue, queue_from=0.1)
    method = swav.SwAV(Tiny(), WIDTH, config, seed=1).double()
    paper = oracle.SwAV(weights(method), 0.1, 0.05, 3, queue or 10**9, 0.1, 2)
    prototypes = method.prototypes[0].weight
    with torch.no_grad():  # the paper's are put to unit length in each step
        prototypes.copy_(oracle.unit(prototypes))
        paper.net["prototypes.0.weight"].copy_(3.0 * prototypes)
    seen = []

    def before(step):
        same(prototypes.norm(dim=1), torch.ones(11, dtype=torch.float64), "length of the prototypes before a step")
        seen.append(prototypes.detach().clone())

    run(method, paper, lengths=lengths, check=before)
    same(prototypes, oracle.unit(paper.net["prototypes.0.weight"]), "prototypes")
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[1], seen[2]) and not torch.equal(seen[2], seen[3])
    if queue:
        for a, rows in enumerate(paper.queues):
            kept = method.queue.keys_KD.chunk(2, dim=1)[a]
            assert len(rows) == len(kept)
            distance = torch.cdist(torch.stack(rows), kept)
            assert distance.amin(0).max() < 1e-6 and distance.amin(1).max() < 1e-6


def test_frozen_prototypes_stand_still_under_momentum_and_decay():
    method = swav.SwAV(Tiny(), WIDTH, swav.Config(width=5, hidden=7, prototypes=9, frozen=3), seed=1)
    before = method.prototypes[0].weight.detach().clone()
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for step in range(3):
        train_step(method, floats(made_up(step)), optimizer)
    assert torch.equal(method.prototypes[0].weight, before)
    train_step(method, floats(made_up(3)), optimizer)
    assert not torch.equal(method.prototypes[0].weight, before)
