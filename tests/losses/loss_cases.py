"""Made-up rows for the tests of losses."""

import sys
from pathlib import Path

import torch

from kontrast import keyed

sys.path.insert(0, str(Path(__file__).parent.parent))
import oracles  # noqa: F401

SIMILARITIES = ("cosine", "dot", "euclidean", "squared_euclidean")


def made(*shape, key="rows", dtype=torch.float64):
    """Standard normal rows, a function of shape and key."""
    return torch.randn(*shape, generator=keyed.generator(key, *shape), dtype=torch.float64).to(dtype)
