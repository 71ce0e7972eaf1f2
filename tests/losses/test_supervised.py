"""Losses with labels in float64 against dense arithmetic."""

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import SIMILARITIES, made, oracles

from kontrast import losses


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(ours.detach().numpy()), np.asarray(oracle), rtol=tolerance, atol=tolerance)


def gradient_is_the_slope(ours, oracle, x, tolerance=2e-6):
    """ours(tensor) and oracle(array), both scalar."""
    leaf = x.clone().requires_grad_()
    ours(leaf).backward()
    slope = oracles.slope(oracle, x.numpy())
    assert leaf.grad is not None
    np.testing.assert_allclose(leaf.grad.numpy(), slope, rtol=1e-4, atol=tolerance * max(1.0, np.abs(slope).max()))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_sup_con(engine, similarity):
    z, labels = made(9, 4), torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 1])
    by_hand = oracles.sup_con(z.numpy(), labels.tolist(), 0.3, similarity)
    close(losses.sup_con(z, labels, temperature=0.3, similarity=similarity, reduction="none"), np.nan_to_num(by_hand))
    close(losses.sup_con(z, labels, temperature=0.3, similarity=similarity), np.nanmean(by_hand))
    gradient_is_the_slope(
        lambda x: losses.sup_con(x, labels, temperature=0.3, similarity=similarity),
        lambda x: np.nanmean(oracles.sup_con(x, labels.tolist(), 0.3, similarity)),
        z,
    )


@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
def test_margin(similarity):
    first, second, similar = made(8, 4) / 2, made(8, 4, key="second") / 2, made(8, key="similar") > 0
    for margin in (0.5, 2.0):
        ours = losses.margin(first, second, similar, margin=margin, similarity=similarity, reduction="none")
        close(ours, oracles.margin(first.numpy(), second.numpy(), similar.tolist(), margin, similarity))
    assert torch.autograd.gradcheck(
        lambda a, b: losses.margin(a, b, similar, margin=2.0, similarity=similarity),
        (first.requires_grad_(), second.requires_grad_()),
    )
    same = torch.ones(8, 4, requires_grad=True)
    losses.margin(same, torch.ones(8, 4), similar, similarity=similarity).backward()
    assert bool(same.grad.isfinite().all())
