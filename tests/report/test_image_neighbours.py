"""Held-out pictures with their neighbours."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.report.image_neighbours import gallery


@pytest.fixture(scope="module")
def digits() -> tuple[Source, Source]:
    return open_source("digits"), open_source("digits", split="test")


def by_class(source: Source, ids: np.ndarray) -> Tensor:
    assert source.labels is not None
    return torch.eye(10)[source.labels[ids]] + 1e-6 * torch.from_numpy(ids)[:, None]


def by_position(source: Source, ids: np.ndarray) -> Tensor:
    angle = torch.from_numpy(ids) / 2000.0
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def test_gallery_asks_every_encoder_the_same(digits: tuple[Source, Source]) -> None:
    test = digits[1]
    questions = gallery({"learned": by_class, "before": by_position}, test)
    assert len(questions) == 10
    for one in questions:
        assert set(one.answers) == {"learned", "before"}
        assert [len(found) for found in one.answers.values()] == [8, 8]
        assert all(found.label == one.asked.label for found in one.answers["learned"])
        for found in one.answers.values():
            assert all(not torch.equal(other.picture, one.asked.picture) for other in found)
            assert all(a.score >= b.score for a, b in pairwise(found))


def test_gallery_in_another_source_may_use_the_same_ids(digits: tuple[Source, Source]) -> None:
    """Equal ids mean the same picture only inside the same data."""
    train, test = digits
    other = replace(train, fingerprint="other", ids=test.ids)
    found = gallery({"learned": by_position}, test, other, questions=2, k=3)
    assert all(torch.equal(one.answers["learned"][0].picture, one.asked.picture) for one in found)
    same = gallery({"learned": by_position}, test, replace(train, ids=test.ids), questions=2, k=3)
    assert not any(torch.equal(one.answers["learned"][0].picture, one.asked.picture) for one in same)


def test_a_tiny_source_gives_a_small_gallery(digits: tuple[Source, Source]) -> None:
    test = digits[1]
    three = gallery({"learned": by_position}, test.part(test.ids[:3]))
    assert len(three) == 3 and all(len(one.answers["learned"]) == 2 for one in three)
    assert gallery({"learned": by_position}, test.part(test.ids[:1])) == []
