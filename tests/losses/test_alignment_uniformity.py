"""Alignment and uniformity against their definitions."""

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import made, oracles

from kontrast import losses


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(ours.detach().numpy(), np.asarray(oracle), rtol=tolerance, atol=tolerance)


def test_alignment_and_uniformity(engine):
    first, second = made(9, 4), made(9, 4, key="second")
    for exponent in (1.0, 2.0, 3.0):
        close(losses.alignment(first, second, exponent=exponent, reduction="none"),
              oracles.alignment(first.numpy(), second.numpy(), exponent))  # fmt: skip
    for t in (2.0, 7.0):
        close(losses.uniformity(first, t=t), oracles.uniformity(first.numpy(), t))
    assert float(losses.uniformity(torch.ones(5, 3))) == pytest.approx(0, abs=1e-6)  # collapse
    assert torch.autograd.gradcheck(losses.uniformity, (first.requires_grad_(),))
