"""Made-up rows for the tests of losses."""

import torch
from tests import oracles  # noqa: F401

from kontrast import keyed

SIMILARITIES = ("cosine", "dot", "euclidean", "squared_euclidean")


def made(*shape, key="rows", dtype=torch.float64):
    """Standard normal rows, a function of shape and key."""
    return torch.randn(*shape, generator=keyed.generator(key, *shape), dtype=torch.float64).to(dtype)
