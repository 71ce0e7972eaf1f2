"""`kontrast embed`: vectors in a file, with a table beside it that says which row is what."""

import csv

import numpy as np
import pytest

import kontrast
from kontrast.commands.embed import embed
from kontrast.errors import Unfit


def test_rows_and_names_are_those_of_the_samples(digits_run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    lines = embed(digits_run, pixels, tmp_path / "x.npy")
    assert lines[0].startswith("vectors  5 of width ")
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), kontrast.load(digits_run).embed(pixels), atol=1e-6)
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["id"]) for row in rows] == [(str(i), str(i)) for i in range(5)]


def test_parquet_holds_the_same(digits_run, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    embed(digits_run, "digits", tmp_path / "x.parquet", split="test")
    table = pq.read_table(tmp_path / "x.parquet")
    found = kontrast.load(digits_run).embed_source(
        source := kontrast.data.open_source("digits", split="test"), source.ids
    )
    assert table.column_names == ["id", "name", "vector"] and table["id"].to_pylist() == source.ids.tolist()
    np.testing.assert_allclose(np.array(table["vector"].to_pylist()), found.numpy(), atol=1e-6)


def test_another_ending_is_refused_before_the_work(digits_run, tmp_path):
    with pytest.raises(Unfit, match=r"--out .*x\.json"):
        embed(digits_run, "digits", tmp_path / "x.json")
