"""Rows that are far from everything are found, among all rows or in a sample."""

import numpy as np
import pytest

from kontrast import keyed
from kontrast.vector_index import outliers as module
from kontrast.vector_index.outliers import outliers

from .conftest import index_of, made_up


def test_strangers_come_first_and_a_row_is_not_its_own_neighbour(tmp_path):
    vectors, _ = made_up()
    strange = [7, 100, 229]
    vectors[strange] = keyed.normal("strange", np.arange(3 * 16)).reshape(3, 16)
    found = outliers(index_of(tmp_path / "i", vectors))
    assert set(found.rows[:3].tolist()) == set(strange) and found.among == len(found.rows) == 230
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    np.testing.assert_allclose(found.cosines, np.sort(np.sort(cosine, 1)[:, -10:].mean(1)), atol=1e-5)


def test_equal_rows_are_near_each_other(tmp_path):
    vectors = np.tile(made_up()[0][:1], (40, 1))
    np.testing.assert_allclose(outliers(index_of(tmp_path / "i", vectors)).cosines, 1, atol=1e-5)


def test_of_many_rows_a_sample_is_looked_at(index, monkeypatch):
    monkeypatch.setattr(module, "BANK", 100)
    monkeypatch.setattr(module, "PRODUCTS", 4000)
    found = outliers(index)
    assert len(set(found.rows.tolist())) == 40 and found.among == 100
    assert (found.rows == outliers(index).rows).all()
    assert found.cosines[0] == pytest.approx(found.cosines.min())
