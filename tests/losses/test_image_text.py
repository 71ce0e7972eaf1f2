"""Losses of pairs in float64 against dense arithmetic, in every way that the engine has."""

import itertools

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import SIMILARITIES, made, oracles

from kontrast import losses

IDS = torch.tensor([0, 1, 2, 0, 4, 5, 1])


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
def test_clip(engine, similarity, temperature):
    image, text = made(7, 4), made(7, 4, key="text")
    for ids in (None, IDS):
        ours = losses.clip(image, text, temperature=temperature, similarity=similarity, ids_B=ids, reduction="none")
        said = None if ids is None else ids.tolist()
        close(ours, oracles.clip(image.numpy(), text.numpy(), temperature, similarity, said))
    gradient_is_the_slope(
        lambda x: losses.clip(*x, temperature=temperature, similarity=similarity),
        lambda x: oracles.clip(*x, temperature, similarity).mean(),
        torch.stack([image, text]),
    )


def test_siglip(engine):
    image, text = made(7, 4), made(7, 4, key="text")
    close(losses.siglip(image, text, temperature=0.1, bias=-3.0, reduction="none"),
          oracles.siglip(image.numpy(), text.numpy(), 0.1, -3.0))  # fmt: skip
    gradient_is_the_slope(
        lambda x: losses.siglip(x[:, :4], x[:, 4:], temperature=0.1, bias=-3.0),
        lambda x: oracles.siglip(x[:, :4], x[:, 4:], 0.1, -3.0).mean(),
        torch.cat([image, text], 1),
    )
