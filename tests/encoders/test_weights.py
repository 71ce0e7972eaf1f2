"""Weights drawn from a key, with the global generator lent and put back."""

import torch
from torch import nn

from kontrast.encoders.weights import drawn_from


def made(*key):
    with drawn_from(*key):
        return nn.Linear(5, 4).weight.detach()


def test_the_key_alone_decides_and_the_global_generator_is_as_before():
    before = torch.get_rng_state()
    assert torch.equal(made("a", 1), made("a", 1)) and not torch.equal(made("a", 1), made("a", 2))
    assert torch.equal(torch.get_rng_state(), before)
