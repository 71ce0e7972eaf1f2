"""What is nearest in an index: a full sort in float64, with and without a condition, and faiss with its recall."""

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.vector_index import search
from kontrast.vector_index.search import fulfilling, nearest

from .conftest import index_of, made_up

QUERIES = torch.from_numpy(keyed.normal("asked", np.arange(7 * 16)).reshape(7, 16).astype(np.float32))


def by_sorting(rows, k):
    vectors = made_up()[0].astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = QUERIES.double().numpy()
    cosine = (asked / np.linalg.norm(asked, axis=1, keepdims=True)) @ unit[rows].T
    order = np.argsort(-cosine, axis=1)[:, :k]
    return np.asarray(rows)[order], np.take_along_axis(cosine, order, 1)


@pytest.mark.parametrize("block", [7, 64, 1000])
def test_every_block_finds_what_a_full_sort_finds(index, monkeypatch, block):
    monkeypatch.setattr(search, "BLOCK", block)
    found = nearest(index, QUERIES, 9)
    rows, cosines = by_sorting(np.arange(230), 9)
    assert (found.rows == rows).all() and found.recall is None and found.searched == 230
    np.testing.assert_allclose(found.cosines, cosines, atol=1e-6)


def test_a_condition_leaves_out_rows_before_the_search(index):
    rows = np.flatnonzero((np.arange(230) % 5 == 2) & (np.arange(230) < 100))
    found = nearest(index, QUERIES, 30, where="label = '2' and id < 100")
    expected, _ = by_sorting(rows, 20)
    assert found.searched == 20 and (found.rows[:, :20] == expected).all()
    assert (found.rows[:, 20:] == -1).all() and np.isneginf(found.cosines[:, 20:]).all()
    assert fulfilling(index, "text like '%sentence 7 %'").tolist() == [7]


@pytest.mark.parametrize(
    "where,told",
    [
        ("colour = 3", "columns are id, name, content, text, label"),
        ("label = '9'", "no row of"),
        ("label = '2'; drop table items", "not understood"),
        ("id in (select column0 from read_csv('/etc/passwd'))", "not understood"),
    ],
)
def test_a_condition_that_fits_nothing_is_told(index, where, told):
    with pytest.raises(Unfit, match=told):
        nearest(index, QUERIES, 3, where=where)


def test_candidates_are_ranked_exactly_and_their_recall_is_measured(tmp_path):
    pytest.importorskip("faiss", reason="faiss is not installed")
    vectors, _ = made_up(3000)
    index = index_of(tmp_path / "i", vectors, shard=512)
    exact, some = nearest(index, QUERIES, 5), nearest(index, QUERIES, 5, exact=1000)
    assert some.recall is not None and 0.5 < some.recall <= 1
    for q in range(7):
        for row, cosine in zip(some.rows[q], some.cosines[q]):
            if row in exact.rows[q]:
                assert cosine == pytest.approx(exact.cosines[q][exact.rows[q].tolist().index(row)], abs=1e-6)
    kept = (index.folder / "faiss.index").read_bytes()
    assert nearest(index, QUERIES, 5, exact=1000).rows.tolist() == some.rows.tolist()
    other = index_of(tmp_path / "i", vectors[::-1].copy(), shard=512, weights="other")
    nearest(other, QUERIES, 5, exact=1000)
    assert (index.folder / "faiss.index").read_bytes() != kept, "the lists are those of other vectors"


def test_recall_tells_when_candidates_miss(tmp_path, monkeypatch):
    pytest.importorskip("faiss", reason="faiss is not installed")
    index = index_of(tmp_path / "i", keyed.normal("noise", np.arange(3000 * 16)).reshape(3000, 16).astype(np.float32))
    monkeypatch.setattr(search, "CANDIDATES", 1)
    assert nearest(index, QUERIES, 10, exact=1000).recall < 0.95
