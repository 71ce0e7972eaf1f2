"""BYOL's loss against its definition."""

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import made, oracles

from kontrast import losses


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(ours.detach().numpy(), np.asarray(oracle), rtol=tolerance, atol=tolerance)


def test_byol():
    p, z = made(6, 4), made(6, 4, key="target")
    close(losses.byol(p, z, reduction="none"), oracles.byol(p.numpy(), z.numpy()))
    assert float(losses.byol(p, 3 * p)) == pytest.approx(0, abs=1e-12)
    assert float(losses.byol(p, -p)) == pytest.approx(4)
    parts = [losses.byol(p, z, rows=rows) for rows in (slice(0, 5), slice(5, 6))]
    torch.testing.assert_close(sum(parts), losses.byol(p, z))
    assert torch.autograd.gradcheck(losses.byol, (p.requires_grad_(), z.requires_grad_()))
