"""The geometry of features: alignment, uniformity, rank."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import geometry


def gaussian(rows: int, width: int, name: str = "") -> torch.Tensor:
    return torch.randn(rows, width, generator=keyed.generator("test", name), dtype=torch.float64)


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
