"""The sum of softplus over a row, in tiles: value and gradient of the whole table."""

import pytest
import torch
import torch.nn.functional as F

from kontrast import keyed
from kontrast.losses.engine import sigmoid_tiles
from kontrast.losses.engine.tiles import Stripes


@pytest.mark.parametrize("size", [3, 100])
def test_tiles_are_the_whole_table(monkeypatch, size):
    monkeypatch.setattr(sigmoid_tiles, "TILE", size)
    query, key = (
        torch.randn(n, 4, generator=keyed.generator("softplus", n), dtype=torch.float64).requires_grad_()
        for n in (7, 8)
    )
    names = (torch.arange(7) % 3, torch.arange(8) % 4)
    out = names[0][:, None] == names[1]
    out |= torch.arange(7)[:, None] == torch.arange(8)
    wanted = F.softplus(query @ key.T).masked_fill(out, 0.0).sum(1)
    found = sigmoid_tiles.softplus_sum(query, key, [names, Stripes(15)])
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    weight = torch.arange(1.0, 8.0, dtype=torch.float64)
    for ours, theirs in zip(torch.autograd.grad((found * weight).sum(), (query, key)),
                            torch.autograd.grad((wanted * weight).sum(), (query, key))):  # fmt: skip
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_a_large_logit_counts_itself():
    found = sigmoid_tiles.softplus_sum(torch.tensor([[200.0]]), torch.tensor([[1.0], [-1.0]]), [])
    assert float(found) == 200.0
