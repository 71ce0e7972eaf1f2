"""Search in smaller vectors finds what their certificate says, by the true cosines, and never in old ones."""

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.vector_index.by_smaller import Smaller
from kontrast.vector_index.layout import Index
from kontrast.vector_index.search import nearest
from kontrast.vector_index.smaller import shrink

from .conftest import index_of


@pytest.fixture
def index(tmp_path):
    """2,000 rows of width 64 round a common mean, with a label in two values."""
    vectors = 3 + keyed.normal("vectors", np.arange(2000 * 64)).reshape(2000, 64)
    return index_of(tmp_path / "index", vectors.astype(np.float32), labels=np.arange(2000) % 2, shard=512)


@pytest.mark.parametrize(("precision", "least"), [("float16", 0.99), ("int8", 0.97), ("binary", 0.9)])
def test_it_finds_what_the_certificate_says_with_true_cosines(index, precision, least):
    shrink(index, precision, least=0.5)
    asked = torch.from_numpy(index.vectors[0:200])
    right, found = nearest(index, asked, 11), nearest(index, asked, 11, smaller=Smaller(index, precision))
    hits = [len(set(a.tolist()) & set(b.tolist())) / 11 for a, b in zip(right.rows, found.rows)]
    assert np.mean(hits) >= least and found.recall == pytest.approx(np.mean(hits), abs=0.03)
    both = right.rows == found.rows
    np.testing.assert_allclose(found.cosines[both], right.cosines[both], atol=1e-6)
    assert (np.diff(found.cosines, axis=1) <= 0).all() and found.searched == 2000


def test_a_condition_leaves_out_rows_before_the_candidates(index):
    shrink(index, "binary", least=0.5)
    found = nearest(
        index, torch.from_numpy(index.vectors[0:20]), 10, where="label = '1'", smaller=Smaller(index, "binary")
    )
    assert found.searched == 1000 and (found.rows % 2 == 1).all()


def test_fewer_columns_are_asked_by_as_many(index):
    shrink(index, "int8", 32, least=0.0)
    found = nearest(index, torch.from_numpy(index.vectors[0:50]), 3, smaller=Smaller(index, "int8", 32))
    assert (found.rows[:, 0] == np.arange(50)).mean() > 0.9


def test_what_is_not_there_or_of_other_rows_is_said(index):
    with pytest.raises(Unfit, match=r"no such vectors beside the index \(none\): kontrast index .* --precision int8"):
        Smaller(index, "int8")
    with pytest.raises(Unfit, match="'int4': float16, int8, binary were expected"):
        Smaller(index, "int4")
    shrink(index, "int8", least=0.0)
    with pytest.raises(Unfit, match=r"beside the index \(int8-64\)"):
        Smaller(index, "int8", 32)
    seal = index.folder / "seals" / "00000.json"
    seal.write_text(seal.read_text() + " ")
    with pytest.raises(Unfit, match="before the index became what it is"):
        Smaller(Index.open(index.folder), "int8")
