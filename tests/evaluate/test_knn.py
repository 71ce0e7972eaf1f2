"""Exact neighbours and their votes, against float64 sorting and hand-made cases."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.evaluate import knn
from kontrast.evaluate.knn import search


def vectors(name: str, rows: int, width: int) -> torch.Tensor:
    return torch.randn(rows, width, generator=keyed.generator("test", name))


def sorted_float64(query: torch.Tensor, bank: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    q, b = query.numpy().astype(np.float64), bank.numpy().astype(np.float64)
    cosine = (q / np.linalg.norm(q, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(cosine, order, axis=1), order


@pytest.mark.parametrize(("rows", "k"), [(7, 7), (40, 3), (1000, 1), (1000, 20), (5000, 200), (33, 32)])
def test_neighbours_are_those_of_a_full_sort(rows: int, k: int) -> None:
    query, bank = vectors("q", 19, 8), vectors("b", rows, 8)
    score, row = knn.neighbours(query, bank, k)
    right_score, right_row = sorted_float64(query, bank, k)
    np.testing.assert_allclose(score.numpy(), right_score, atol=3e-7)
    assert (row.numpy() == right_row).mean() > 0.999  # fp32 may swap two that differ by a rounding
    assert (score[:, 1:] <= score[:, :-1]).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    query, bank = vectors("q", 30, 16), vectors("b", 1234, 16).half().float()
    whole = knn.neighbours(query, bank, 50)
    monkeypatch.setattr(knn, "BANK_BLOCK", 100)
    monkeypatch.setattr(knn, "SCORE_BYTES", 4 * 7 * 100)
    cut = knn.neighbours(query, bank, 50)
    torch.testing.assert_close(whole[0], cut[0], atol=1e-6, rtol=0)
    assert (whole[1] == cut[1]).float().mean() > 0.999


@pytest.mark.parametrize("block", [64, 1 << 16])
@pytest.mark.parametrize("k", [1, 5, 40, 130])
def test_equal_scores_come_by_row_number(monkeypatch: pytest.MonkeyPatch, block: int, k: int) -> None:
    """Six distinct axes, each repeated: cosines are exactly 0 or 1, so every order but one is wrong."""
    monkeypatch.setattr(knn, "BANK_BLOCK", block)
    axis = keyed.below(6, "test", "axes", np.arange(400))
    bank, query = torch.eye(6)[axis], torch.eye(6)
    score, row = knn.neighbours(query, bank, k)
    for q in range(6):
        right = np.argsort(axis != q, kind="stable")[:k]
        np.testing.assert_array_equal(row[q].numpy(), right)
        np.testing.assert_array_equal(score[q].numpy(), (axis[right] == q).astype(np.float32))


def test_all_vectors_equal_gives_the_first_rows() -> None:
    _, row = knn.neighbours(torch.ones(3, 4), torch.ones(500, 4), 9)
    assert (row == torch.arange(9)).all()


def test_negative_and_zero_scores_are_ordered() -> None:
    bank = torch.tensor([[-1.0, 0.0], [0.0, -1.0], [0.0, 1.0], [-1.0, -1e-3], [1.0, 0.0], [0.0, 0.0]])
    score, row = knn.neighbours(torch.tensor([[1.0, 0.0]]), bank, 6)
    assert row.tolist() == [[4, 1, 2, 5, 3, 0]]
    torch.testing.assert_close(score, torch.tensor([[1.0, 0.0, 0.0, 0.0, -1.0, -1.0]]), atol=1e-6, rtol=0)


def test_packing_keeps_the_order_and_knows_one_zero() -> None:
    score = torch.tensor([-torch.inf, -2.0, -1e-30, -0.0, 0.0, 1e-30, 2.0])
    key = knn._packed(score, torch.zeros(7, dtype=torch.int64))
    assert (key.diff() > 0).tolist() == [True, True, True, False, True, True]
    back, row = knn._unpacked(knn._packed(score, torch.arange(7)))
    assert torch.equal(back, score) and row.tolist() == list(range(7))


def test_a_memory_mapped_half_precision_bank(tmp_path: Path) -> None:
    bank = vectors("b", 300, 5).half()
    np.save(tmp_path / "bank.npy", bank.numpy())
    mapped = np.load(tmp_path / "bank.npy", mmap_mode="r")
    query = vectors("q", 4, 5)
    torch.testing.assert_close(knn.neighbours(query, mapped, 9), knn.neighbours(query, bank.float(), 9))


def test_scale_of_rows_does_not_matter() -> None:
    query, bank = vectors("q", 5, 8), vectors("b", 100, 8)
    scale = torch.rand(100, 1, generator=keyed.generator("test", "scale")) * 100 + 0.01
    assert (knn.neighbours(3 * query, bank * scale, 10)[1] == knn.neighbours(query, bank, 10)[1]).all()


def test_votes_are_weighted_by_the_cosine() -> None:
    """One row of class 1 at cosine 1 against two of class 0 at cosine 0.8: e^10 > 2 e^8, and e^(1/5) < 2 e^(0.8/5)."""
    bank = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6], [-1.0, 0.0]])
    label = torch.tensor([1, 0, 0, 2])
    query = torch.tensor([[1.0, 0.0]])
    assert knn.knn_predict(query, bank, label, classes=3, k=3, temperature=0.1).item() == 1
    assert knn.knn_predict(query, bank, label, classes=3, k=3, temperature=5.0).item() == 0
    scores = knn.knn_scores(query, bank, label, classes=3, k=3, temperature=0.1)
    right = np.exp([2 * 0 + 8, 10, -np.inf]) * np.array([2, 1, 0])
    np.testing.assert_allclose(scores.numpy()[0], right / right.sum(), rtol=1e-5)


def test_votes_against_scikit_learn() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    centre = vectors("centres", 4, 6)
    label = keyed.below(4, "test", "labels", np.arange(600))
    points = centre[label] + 1.3 * vectors("noise", 600, 6)
    unit = torch.nn.functional.normalize(points, dim=1).double().numpy()
    peer = KNeighborsClassifier(37, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.1))
    peer.fit(unit[:400], label[:400])
    ours = knn.knn_predict(points[400:], points[:400], label[:400], classes=4, k=37)
    assert (ours.numpy() == peer.predict(unit[400:])).all()


def test_how_many_neighbours() -> None:
    assert [knn.neighbours_to_ask(n) for n in (1, 4, 5, 50, 999, 1000, 50_000)] == [1, 1, 1, 10, 199, 200, 200]


def test_what_cannot_be_searched_is_said() -> None:
    bank = vectors("b", 10, 4)
    with pytest.raises(ValueError, match="between 1 and the 10 rows"):
        knn.neighbours(bank, bank, 11)
    with pytest.raises(ValueError, match="one width"):
        knn.neighbours(bank[:, :3], bank, 1)
    with pytest.raises(ValueError, match="not finite"):
        knn.neighbours(bank, torch.full((2, 4), torch.nan), 1)
    with pytest.raises(ValueError, match="temperature"):
        knn.knn_predict(bank, bank, torch.zeros(10), classes=1, temperature=0)
    with pytest.raises(ValueError, match="one entry per row"):
        knn.knn_predict(bank, bank, torch.zeros(9), classes=1)


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
