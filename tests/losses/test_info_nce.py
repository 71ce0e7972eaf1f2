"""InfoNCE in float64 against dense arithmetic, through every path of the engine."""

import itertools

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


@pytest.mark.parametrize(("similarity", "temperature"), list(itertools.product(SIMILARITIES, (0.5, 0.02))))
def test_info_nce(engine, similarity, temperature):
    query, key = made(6, 4), made(9, 4, key="keys")
    places = torch.tensor([3, 0, 8, 3, 5, 1])
    ids, key_ids = torch.tensor([0, 1, 2, 3, 4, 5]), torch.tensor([9, 9, 9, 0, 9, 4, 2, 1, 2])
    for positive in (None, places):
        options = {"temperature": temperature, "similarity": similarity}
        said = None if positive is None else positive.tolist()
        named = {"query_ids": ids.tolist(), "key_ids": key_ids.tolist()}
        ours = losses.info_nce(query, key, positive, query_ids_Q=ids, key_ids_K=key_ids, reduction="none", **options)
        close(ours, oracles.info_nce(query.numpy(), key.numpy(), temperature, similarity, positive=said, **named))
        both = torch.cat([query, key])
        gradient_is_the_slope(
            lambda x, p=positive, o=options: losses.info_nce(x[:6], x[6:], p, **o),
            lambda x, p=said: oracles.info_nce(x[:6], x[6:], temperature, similarity, positive=p).mean(),
            both,
        )


@pytest.mark.parametrize("decoupled", [False, True])
def test_moco_has_its_positive_outside_the_queue(engine, decoupled):
    query, positive, queue = made(5, 4), made(5, 4, key="positive"), made(13, 4, key="queue")
    ids, queue_ids = torch.arange(5), torch.arange(13) - 4
    ours = losses.info_nce(query, queue, positive_QD=positive, temperature=0.2, query_ids_Q=ids, key_ids_K=queue_ids,
                           decoupled=decoupled, reduction="none")  # fmt: skip
    close(ours, oracles.info_nce(query.numpy(), queue.numpy(), 0.2, positive_vectors=positive.numpy(),
          query_ids=ids.tolist(), key_ids=queue_ids.tolist(), decoupled=decoupled))  # fmt: skip
