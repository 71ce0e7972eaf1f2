"""Fresh views of one picture find each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.evaluate import view_retrieval
from kontrast.evaluate.view_retrieval import drawn
from kontrast.positives.images.papers import recipe


def gaussian(rows: int, width: int, name: str = "") -> torch.Tensor:
    return torch.randn(rows, width, generator=keyed.generator("test", name), dtype=torch.float64)


def test_unrelated_views_are_found_by_chance() -> None:
    found = np.mean([view_retrieval.view_recall(gaussian(50, 8, f"a{i}"), gaussian(50, 8, f"b{i}")) for i in range(60)])
    assert abs(found - 1 / 50) < 3 * math.sqrt(0.02 * 0.98 / (50 * 60))


AFFINE = recipe("affine", 8, 1)


@pytest.fixture(scope="module")
def digits() -> tuple[Source, Source]:
    return open_source("digits"), open_source("digits", split="test")


def test_fresh_views_are_two_different_looks_and_reproducible(digits: tuple[Source, Source]) -> None:
    test = digits[1]
    first, second = drawn(test, AFFINE, seed=0)
    some = first.images(test.ids[:40])
    assert isinstance(some, Tensor) and some.shape == (40, 1, 8, 8) and some.dtype == torch.float32
    assert some.min() >= 0 and some.max() <= 1
    assert torch.equal(some, drawn(test, AFFINE, seed=0)[0].images(test.ids[:40]))
    assert torch.equal(some[3:4], first.images(test.ids[3:4]))
    for other in (second.images(test.ids[:40]), drawn(test, AFFINE, seed=1)[0].images(test.ids[:40])):
        assert (some - other).abs().mean() > 0.02
