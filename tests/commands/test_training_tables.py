"""Tables of rows of an index: whole or not at all, ours to write anew, with pictures that train finds."""

import csv

import pyarrow.parquet as pq
import pytest
from PIL import Image

import kontrast
from kontrast.commands.training_tables import claim_table, pictures, write_table
from kontrast.errors import Unfit


def rows():
    return [{"text": f"row {n}", "group": n // 2} for n in range(5)]


def test_both_endings_hold_the_same(tmp_path):
    write_table(tmp_path / "a.csv", rows())
    write_table(tmp_path / "a.parquet", iter(rows()))
    with open(tmp_path / "a.csv", newline="") as file:
        assert [{**row, "group": int(row["group"])} for row in csv.DictReader(file)] == rows()
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == rows()
    claim_table(tmp_path / "a.parquet", ())  # it says that we made it
    with pytest.raises(Unfit, match="kontrast did not make it"):
        claim_table(tmp_path / "a.csv", ())


def test_a_failure_leaves_nothing(tmp_path):
    def broken():
        yield rows()[0]
        raise OSError("gone")

    with pytest.raises(OSError):
        write_table(tmp_path / "a.csv", broken())
    assert not list(tmp_path.iterdir())


def test_pictures_are_named_from_above_or_held(digits_run, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        Image.new("L", (8, 8), 40 if name == "a" else 90).save(tmp_path / "data" / f"{name}.png")
    index = kontrast.index(digits_run, tmp_path / "data", tmp_path / "i")
    assert pictures(index, tmp_path / "t.csv")(1) == "data/b.png"
    assert pictures(index, tmp_path / "t.parquet")(1)["bytes"] == (tmp_path / "data" / "b.png").read_bytes()
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(Unfit, match="or above it"):
        pictures(index, tmp_path / "elsewhere" / "t.csv")
    with pytest.raises(Unfit, match="in no file"):
        pictures(kontrast.index(digits_run, "digits", tmp_path / "d", split="test"), tmp_path / "t.parquet")
