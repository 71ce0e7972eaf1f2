"""Sinkhorn and swapped prediction against SwAV's code."""

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import made, oracles

from kontrast import losses


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(ours.detach().numpy(), np.asarray(oracle), rtol=tolerance, atol=tolerance)


def test_sinkhorn_is_swavs():
    scores = torch.tanh(made(12, 5))
    close(losses.sinkhorn(scores), oracles.sinkhorn(scores.numpy(), 0.05, 3))
    close(losses.sinkhorn(scores, epsilon=0.2, iterations=1), oracles.sinkhorn(scores.numpy(), 0.2, 1))
    queue = torch.tanh(made(8, 5, key="queue"))
    joined = oracles.sinkhorn(torch.cat([queue, scores]).numpy(), 0.05, 3)
    close(losses.sinkhorn(scores, queue_scores_NK=queue), joined[8:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_sinkhorn_balances_and_stays_finite(dtype):
    scores = torch.where(made(64, 8) > 0, 1.0, -1.0).to(dtype)
    codes = losses.sinkhorn(scores, iterations=200)
    tolerance = 1e-5 if codes.dtype == torch.float32 else 1e-12
    torch.testing.assert_close(codes.sum(1), torch.ones(64, dtype=codes.dtype), rtol=tolerance, atol=0)
    torch.testing.assert_close(codes.sum(0), torch.full((8,), 8.0, dtype=codes.dtype), rtol=2e-2, atol=0)


@pytest.mark.parametrize(("V", "A"), [(2, 2), (5, 2), (3, 1)])
def test_swapped_prediction(V, A):
    scores = made(V, 6, 5).requires_grad_()
    codes = torch.stack([losses.sinkhorn(made(6, 5, key=f"code {a}")) for a in range(A)])
    ours = losses.swapped_prediction(scores, codes, temperature=0.1, reduction="none")
    close(ours, oracles.swapped_prediction(scores.detach().numpy(), codes.numpy(), 0.1))
    assert torch.autograd.gradcheck(lambda s: losses.swapped_prediction(s, codes, temperature=0.4), (scores,))
    parts = [
        losses.swapped_prediction(scores, codes, temperature=0.1, rows=rows) for rows in (slice(0, 4), slice(4, 6))
    ]
    torch.testing.assert_close(sum(parts), ours.mean())
