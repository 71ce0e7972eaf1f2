"""All near pairs: those of a full table in float64, for any threshold, without a second scan."""

import numpy as np
import pytest

from kontrast.errors import Unfit
from kontrast.vector_index import pairs
from kontrast.vector_index.pairs import LEAST, Near, across, either_side, groups_of, near_pairs, scanned, suggested

from .conftest import index_of, made_up


def table():
    vectors = made_up()[0].astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("block", [50, 64, 4096])
def test_every_pair_is_found_once(index, monkeypatch, block):
    monkeypatch.setattr(pairs, "BLOCK", block)
    near = near_pairs(index, 0.9)
    i, j = np.nonzero(np.triu(table() >= 0.9, 1))
    assert sorted(zip(near.first.tolist(), near.second.tolist())) == sorted(zip(i.tolist(), j.tolist()))
    assert (np.diff(near.cosine) <= 0).all()
    np.testing.assert_allclose(near.cosine, table()[near.first, near.second], atol=1e-6)


def test_a_higher_threshold_needs_no_scan_and_a_lower_one_does(index, monkeypatch):
    near_pairs(index, 0.8)
    scans = []
    monkeypatch.setattr(pairs, "compared", lambda *args: scans.append(args) or Near(*[np.zeros(0)] * 3))
    assert len(near_pairs(index, 0.95)) == int(np.triu(table() >= 0.95, 1).sum()) and not scans
    near_pairs(index, 0.7)
    assert scans


def test_pairs_of_an_index_that_changed_are_scanned_anew(tmp_path):
    vectors, _ = made_up()
    before = near_pairs(index_of(tmp_path / "i", vectors), 0.9)
    after = near_pairs(index_of(tmp_path / "i", vectors[:120]), 0.9)
    assert after.second.max() < 120 <= before.second.max()


def test_two_indexes_are_compared_row_by_row(tmp_path):
    vectors, _ = made_up()
    one, other = index_of(tmp_path / "1", vectors[:150]), index_of(tmp_path / "2", vectors[140:])
    near = near_pairs(one, 0.999, other)
    assert sorted(zip(near.first.tolist(), near.second.tolist())) == [(140 + n, n) for n in range(10)]
    with pytest.raises(Unfit, match="two models"):
        near_pairs(one, 0.9, index_of(tmp_path / "3", vectors, weights="another"))


def test_groups_are_chains_of_near_pairs():
    near = Near(np.array([0, 1, 5]), np.array([1, 2, 6]), np.array([0.99, 0.98, 0.97], np.float32))
    assert groups_of(near, 8).tolist() == [0, 0, 0, 3, 4, 5, 5, 7]
    assert across(near, ["a", "a", "b", "a", "a", "a", "a", "a"]).second.tolist() == [2]


def test_the_line_lies_in_the_valley():
    cosine = np.array([0.999, 0.995, 0.97, 0.95, 0.93, *np.linspace(0.83, 0.7, 300)], np.float32)
    near = Near(np.arange(len(cosine)), np.arange(len(cosine)) + 1, cosine)
    line, why = suggested(near)
    assert 0.83 < line < 0.93 and "0 within" in why
    above, below = either_side(near, line, 3)
    np.testing.assert_allclose(above.cosine, [0.97, 0.95, 0.93])
    assert below.cosine[0] == pytest.approx(0.83)


@pytest.mark.parametrize("least,told", [(1.5, "--from 1.5"), (-1.0, "nearly all is near")])
def test_bounds_that_mean_nothing_are_refused(index, monkeypatch, least, told):
    monkeypatch.setattr(pairs, "MOST", 1000)
    with pytest.raises(Unfit, match=told):
        near_pairs(index, least)


def test_whether_all_pairs_were_compared_before_is_known(index):
    assert not scanned(index, "model")
    near_pairs(index, 0.9)
    assert not scanned(index, "model")  # from a higher bound on
    near_pairs(index, LEAST["model"])
    assert scanned(index, "model") and not scanned(index, "looks")
