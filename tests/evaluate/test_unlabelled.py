"""Retrieval and geometry: limits, closed forms, and pair by pair in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import geometry, retrieval, view_retrieval


def gaussian(rows: int, width: int, name: str = "") -> torch.Tensor:
    return torch.randn(rows, width, generator=keyed.generator("test", name), dtype=torch.float64)


def test_ranks_by_sorting() -> None:
    query, bank = gaussian(13, 4, "q"), gaussian(13, 4, "b")
    item = torch.arange(13)
    cosine = torch.nn.functional.cosine_similarity(query[:, None], bank[None], dim=2).numpy()
    right = [1 + int((cosine[i] > cosine[i, i]).sum()) for i in range(13)]
    assert retrieval.ranks(query, bank, item, item).tolist() == right


def test_several_captions_count_as_found_with_the_best() -> None:
    query = torch.tensor([[1.0, 0.0]])
    bank = torch.tensor([[0.9, 0.1], [1.0, 0.0], [0.5, 0.5], [0.8, 0.1], [0.0, 1.0]])
    place = retrieval.ranks(query, bank, [7], [1, 2, 7, 7, 7])
    assert place.tolist() == [3]  # the two others go first; its own three do not push each other back
    found = retrieval.retrieval(query, bank, [7], [1, 2, 7, 7, 7])
    assert found == {"recall_at_1": 0.0, "recall_at_5": 1.0, "recall_at_10": 1.0, "median_rank": 3.0}


def test_equal_outputs_find_nothing() -> None:
    item = torch.arange(20)
    assert (retrieval.ranks(torch.ones(20, 3), torch.ones(20, 3), item, item) == 20).all()
    assert view_retrieval.view_recall(torch.ones(20, 3), torch.ones(20, 3)) == 0.0
    assert view_retrieval.view_recall(gaussian(20, 3), gaussian(20, 3)) == 1.0


def test_unrelated_views_are_found_by_chance() -> None:
    found = np.mean([view_retrieval.view_recall(gaussian(50, 8, f"a{i}"), gaussian(50, 8, f"b{i}")) for i in range(60)])
    assert abs(found - 1 / 50) < 3 * math.sqrt(0.02 * 0.98 / (50 * 60))


def test_retrieval_refuses_what_has_no_partner() -> None:
    with pytest.raises(ValueError, match="at least one item of its own"):
        retrieval.ranks(torch.ones(1, 2), torch.ones(3, 2), [5], [1, 2, 3])
    with pytest.raises(ValueError, match="same items"):
        view_retrieval.view_recall(torch.ones(2, 2), torch.ones(3, 2))


def test_pair_sums_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "BLOCK", 7)
    x = gaussian(23, 5)
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    pairs = [(i, j) for i in range(23) for j in range(23) if i != j]
    squared = np.array([((unit[i] - unit[j]) ** 2).sum() for i, j in pairs])
    assert geometry.uniformity(x) == pytest.approx(np.log(np.exp(-2 * squared).mean()), abs=1e-12)
    assert geometry.mean_cosine(x) == pytest.approx(np.mean([unit[i] @ unit[j] for i, j in pairs]), abs=1e-12)
    assert geometry.spread(x) == pytest.approx(unit.std(axis=0).mean(), abs=1e-12)
    assert geometry.alignment(x[:11], x[11:22]) == pytest.approx(((unit[:11] - unit[11:22]) ** 2).sum(1).mean())


def test_collapse_and_evenness_are_the_limits() -> None:
    same = torch.ones(40, 16)
    assert geometry.uniformity(same) == pytest.approx(0, abs=1e-9)
    assert geometry.spread(same) == pytest.approx(0, abs=1e-9)
    assert geometry.mean_cosine(same) == pytest.approx(1)
    assert geometry.effective_rank(same) == pytest.approx(1, abs=1e-3)
    assert geometry.alignment(same, -same) == pytest.approx(4)
    even = gaussian(4000, 16)
    assert geometry.uniformity(even) == pytest.approx(geometry.even_sphere(16), abs=0.01)
    assert geometry.spread(even) == pytest.approx(geometry.healthy_spread(16), rel=0.01)
    assert geometry.mean_cosine(even) == pytest.approx(0, abs=0.01)
    assert geometry.effective_rank(even) == pytest.approx(16, rel=0.01)
    circle = torch.linspace(0, 2 * math.pi, 2001, dtype=torch.float64)[:-1]
    on_circle = torch.stack([circle.cos(), circle.sin()], dim=1)
    assert geometry.uniformity(on_circle) == pytest.approx(geometry.even_sphere(2), abs=0.02)
    assert geometry.alignment(even[:2000], even[2000:]) == pytest.approx(2, abs=0.02)


def test_rotation_changes_nothing_but_the_spread() -> None:
    x = gaussian(200, 6) * torch.tensor([5.0, 3, 1, 1, 0.1, 0.01], dtype=torch.float64)
    turn = torch.linalg.qr(gaussian(6, 6, "turn")).Q
    for measure in (geometry.uniformity, geometry.effective_rank, geometry.mean_cosine):
        assert measure(x @ turn) == pytest.approx(measure(x), abs=1e-9)
    assert geometry.effective_rank(x) < 4
    order = torch.from_numpy(keyed.permuted(np.arange(200), 200, "test"))
    for measure in (geometry.uniformity, geometry.effective_rank, geometry.mean_cosine, geometry.spread):
        assert measure(x[order]) == pytest.approx(measure(x), abs=1e-9)


def test_rank_of_fewer_rows_than_columns() -> None:
    assert geometry.effective_rank(torch.eye(3, 10)) == pytest.approx(3, abs=1e-3)
    with pytest.raises(ValueError, match="at least two rows"):
        geometry.uniformity(torch.ones(1, 4))
