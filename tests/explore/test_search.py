"""Search and the gallery: exact, bounded, and never a picture as its own neighbour."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.evaluate import knn
from kontrast.evaluate.knn import search
from kontrast.report.image_neighbours import gallery


def test_search_finds_what_a_full_sort_finds() -> None:
    vectors = keyed.normal("test vectors", np.arange(500)[:, None], np.arange(12)).astype(np.float32)
    rows, scores = search(vectors, vectors[:20], 5)
    assert rows.shape == scores.shape == (20, 5) and rows.dtype == np.int64 and scores.dtype == np.float32
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_array_equal(rows, np.argsort(-(unit[:20] @ unit.T), axis=1, kind="stable")[:, :5])
    np.testing.assert_array_equal(rows[:, 0], np.arange(20))
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-6)


def test_memory_does_not_grow_with_the_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 MB on disk are searched with a few blocks in memory."""
    rows, width = 160_000, 64
    file = np.lib.format.open_memmap(tmp_path / "v.npy", mode="w+", dtype=np.float32, shape=(rows, width))
    file[:] = 0
    file[:, 0], file[123_456, 1] = 1, 3
    file.flush()
    monkeypatch.setattr(knn, "BANK_BLOCK", 4096)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    tracemalloc.start()
    found, _ = search(mapped, np.eye(1, width, 1, dtype=np.float32), 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.tolist() == [[123_456, 0, 1]]
    assert peak < 8e6  # NumPy's share: one block is 1 MB


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
