"""Barlow Twins in both forms against dense arithmetic."""

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import made, oracles

from kontrast import losses


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(ours.detach().numpy(), np.asarray(oracle), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("B", "D"), [(4, 9), (9, 4), (2, 2), (7, 7)])
def test_barlow_twins_in_both_forms(engine, B, D):
    first, second = made(B, D).requires_grad_(), made(B, D, key="second").requires_grad_()
    ours = losses.barlow_twins(first, second, off_diagonal_weight=0.3)
    close(ours, oracles.barlow_twins(first.detach().numpy(), second.detach().numpy(), 0.3), 1e-9)
    slope = oracles.slope(lambda x: oracles.barlow_twins(x, second.detach().numpy(), 0.3), first.detach().numpy())
    ours.backward()
    np.testing.assert_allclose(first.grad.numpy(), slope, rtol=1e-4, atol=1e-5)
    for rows in (None, slice(1, B)):
        assert torch.autograd.gradcheck(
            lambda a, b, rows=rows: losses.barlow_twins(a, b, off_diagonal_weight=0.3, rows=rows), (first, second)
        )


@pytest.mark.parametrize(("B", "D"), [(5, 11), (11, 5)])
def test_barlow_twins_shares_add_up(engine, B, D):
    first, second = made(B, D).requires_grad_(), made(B, D, key="second")
    whole = losses.barlow_twins(first, second)
    parts = [losses.barlow_twins(first, second, rows=rows) for rows in (slice(0, 1), slice(1, 3), slice(3, B))]
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(torch.autograd.grad(sum(parts), first), torch.autograd.grad(whole, first))


def test_barlow_twins_of_identical_views_has_no_on_diagonal_loss():
    x = made(400, 3)
    assert float(losses.barlow_twins(x, 5 * x + 2, off_diagonal_weight=0.0)) < 1e-8


def test_barlow_forms_agree_in_float32_at_size():
    first, second = made(96, 512, dtype=torch.float32), made(96, 512, key="second", dtype=torch.float32)
    wide = losses.barlow_twins(first.double(), second.double())
    torch.testing.assert_close(losses.barlow_twins(first, second).double(), wide, rtol=1e-5, atol=0)
