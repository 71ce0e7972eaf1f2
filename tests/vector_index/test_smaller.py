"""Smaller vectors: what they keep is measured from the disk, and what keeps too little is refused."""

import json

import numpy as np
import pytest

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.vector_index.smaller import certified, code_of, read_code, shrink

from .conftest import index_of


@pytest.fixture
def index(tmp_path):
    """2,000 rows of width 64 round a common mean, as encoders give them: cosines near 0.9."""
    vectors = 3 + keyed.normal("vectors", np.arange(2000 * 64)).reshape(2000, 64)
    return index_of(tmp_path / "index", vectors.astype(np.float32), shard=512)


@pytest.mark.parametrize("precision,least,size", [("float16", 0.99, 128), ("int8", 0.97, 64), ("binary", 0.9, 12)])
def test_what_is_kept_is_certified_and_so_small(index, precision, least, size):
    folder, certificate = shrink(index, precision, least=0.5)
    assert certificate.recall_at_10 >= least and certificate.bytes_per_row == size
    assert np.load(folder / "vectors.npy").nbytes == 2000 * size
    assert json.loads((folder / "certificate.json").read_text())["recall_at_10"] == certificate.recall_at_10
    assert f"recall@10 {certificate.recall_at_10:.4f}" in certificate.line()


def test_the_certificate_is_of_what_lies_on_the_disk(index):
    folder, before = shrink(index, "int8")
    stored = np.load(folder / "vectors.npy")
    np.save(folder / "vectors.npy", stored ^ (1 << 5))  # a flipped bit in every number
    assert certified(index, folder, "int8", 64).recall_at_10 < before.recall_at_10 - 0.2


def test_recall_is_that_of_a_full_sort(index):
    folder, certificate = shrink(index, "int8", 32, least=0.0)
    full = index.vectors[0:2000].astype(np.float64)
    small = read_code(folder, "int8").unpacked(np.load(folder / "vectors.npy")).astype(np.float64)
    small /= np.linalg.norm(small, axis=1, keepdims=True)
    cut = full[:, :32] / np.linalg.norm(full[:, :32], axis=1, keepdims=True)
    hits = []
    for row in range(0, 2000, 10):
        right, got = (np.argsort(-table, kind="stable") for table in (full @ full[row], small @ cut[row]))
        hits.append(len(set(right[right != row][:10]) & set(got[got != row][:10])) / 10)
    assert certificate.recall_at_10 == pytest.approx(np.mean(hits), abs=0.04) and certificate.recall_at_10 < 0.6


@pytest.mark.parametrize("precision", ["float16", "int8", "binary"])
def test_a_vector_comes_back_nearly_as_it_was(index, precision):
    code = code_of(index, precision, 64)
    vectors = index.vectors[0:100]
    apart = np.linalg.norm(code.unpacked(code.packed(vectors)) - vectors, axis=1).mean()
    spread = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).mean()
    assert apart < {"float16": 0.001, "int8": 0.02, "binary": 0.8}[precision] * spread


def test_what_keeps_too_little_is_refused_and_gone(index):
    with pytest.raises(Unfit, match=r"recall@10 0\.\d+ .*below the bound of 0\.98"):
        shrink(index, "int8", 16)
    assert not list((index.folder / "smaller").iterdir())
    assert shrink(index, "int8", 16, least=0.0)[0].is_dir()


@pytest.mark.parametrize(
    "how,told",
    [
        ({"precision": "int4"}, "--precision 'int4'"),
        ({"precision": "int8", "width": 65}, "--width 65"),
        ({"precision": "int8", "least": 2.0}, "--least 2"),
    ],
)
def test_what_means_nothing_is_refused(index, how, told):
    with pytest.raises(Unfit, match=told):
        shrink(index, **how)
