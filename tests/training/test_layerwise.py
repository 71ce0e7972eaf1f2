"""Rates that fall towards the input."""

import pytest
import torch
from torch import nn

from kontrast.methods.method import Group
from kontrast.training import optimizers
from kontrast.training.layerwise import layerwise


def test_each_layer_moves_by_its_own_rate():
    net, head = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 2)
    weights, biases = (
        [p for m in (*net, head) for p in m.parameters() if (p.ndim > 1) == flat] for flat in (True, False)
    )
    groups = layerwise(
        [Group(weights), Group(biases, decay=False, scale=0.5)], [list(m.parameters()) for m in net], 0.5
    )
    rate = {id(p): group.scale for group in groups for p in group.parameters}
    assert [rate[id(m.weight)] for m in net] == [0.25, 0.5, 1.0] and rate[id(head.weight)] == 1.0
    assert [rate[id(m.bias)] for m in net] == [0.125, 0.25, 0.5]
    assert all(group.decay == (p.ndim > 1) for group in groups for p in group.parameters)
    optimizer = optimizers.named(groups, "sgd:momentum=0", lr=1.0, weight_decay=0.0)
    optimizers.set_rate(optimizer, groups, 0.1)
    before = [m.weight.detach().clone() for m in net]
    for p in (*net.parameters(), *head.parameters()):
        p.grad = torch.ones_like(p)
    optimizer.step()
    for m, old, share in zip(net, before, (0.25, 0.5, 1.0)):
        torch.testing.assert_close(old - m.weight.detach(), torch.full((2, 2), 0.1 * share))


@pytest.mark.parametrize("decay", [0.0, -1.0, 1.5])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(ValueError, match="decay must be above 0"):
        layerwise([], [], decay)
