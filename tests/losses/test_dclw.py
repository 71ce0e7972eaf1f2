"""DCLW against dense arithmetic."""

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import made, oracles

from kontrast import losses


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(ours.detach().numpy(), np.asarray(oracle), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("temperature", "sigma"), [(0.5, 0.5), (0.1, 0.2)])
def test_dclw_weighs_its_positives(engine, temperature, sigma):
    z, ids = made(2, 7, 4), [0, 1, 2, 3, 4, 4, 6]
    for names in (None, ids):
        said = {"temperature": temperature, "sigma": sigma, "ids_B": None if names is None else torch.tensor(names)}
        close(losses.dclw(z, reduction="none", **said), oracles.dclw(z.numpy(), temperature, sigma, names))
    leaf = z.clone().requires_grad_()
    loss = losses.dclw(leaf, temperature=temperature, sigma=sigma)
    (slope,) = torch.autograd.grad(loss, leaf)
    expected = oracles.slope(lambda x: oracles.dclw(x, temperature, sigma).mean(), z.numpy())
    np.testing.assert_allclose(slope.numpy(), expected, rtol=1e-4, atol=1e-6)
    parts = [losses.dclw(leaf, temperature=temperature, sigma=sigma, rows=rows) for rows in (slice(0, 3), slice(3, 7))]
    torch.testing.assert_close(sum(parts), loss)
    torch.testing.assert_close(torch.autograd.grad(sum(parts), leaf)[0], slope)


def test_dclw_of_equally_close_pairs_is_the_decoupled_loss():
    """Every weight is 1; so at equal similarities it costs what the decoupled loss costs."""
    same = made(1, 6, 4).expand(2, 6, 4)
    decoupled = losses.nt_xent(same, temperature=0.2, decoupled=True)
    torch.testing.assert_close(losses.dclw(same, temperature=0.2), decoupled)
    equal = losses.dclw(torch.ones(2, 6, 4), temperature=0.2)
    assert float(equal) == pytest.approx(losses.chance("dclw", batch=6), abs=1e-5)
