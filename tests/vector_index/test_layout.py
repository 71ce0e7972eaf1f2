"""An index on disk: read by slices and by rows, and never read where it is not what it says it is."""

import os

import numpy as np
import pytest

from kontrast.errors import Unfit
from kontrast.vector_index.layout import Index, place, read_meta

from .conftest import made_up


def unit():
    vectors, _ = made_up()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "rows", [slice(0, 230), slice(60, 70), slice(63, 64), slice(64, 128), slice(200, 999), slice(5, 5)]
)
def test_slices_cross_shards(index, rows):
    np.testing.assert_allclose(index.vectors[rows], unit()[rows], atol=1e-6)


def test_rows_come_in_the_order_they_are_asked_for(index):
    rows = [229, 0, 64, 63, 0]
    np.testing.assert_allclose(index.vectors.take(rows), unit()[rows], atol=1e-6)
    assert index.called([1, 0]) == ["sentence 1 of many", "sentence 0 of many"]
    assert index.column("id") == list(range(230)) and len(index) == 230


def test_an_unknown_column_is_told_with_those_there_are(index):
    with pytest.raises(Unfit, match="no column 'colour'; it has id, name, content, text, label"):
        index.column("colour")


@pytest.mark.parametrize("part", ["vectors", "items", "seals"])
@pytest.mark.parametrize("harm", ["gone", "cut", "altered"])
def test_a_damaged_shard_is_named(index, part, harm):
    file = place(index.folder, part, 2)
    content = file.read_bytes()
    stamp = file.stat().st_mtime_ns
    if harm == "gone":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(content[:-3])
    else:
        middle = len(content) - 5
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        os.utime(file, ns=(stamp + 1, stamp + 1))
    with pytest.raises(Unfit, match=r"1 of 4 shards are missing, cut or altered; the first is 00002"):
        Index.open(index.folder)


def test_what_was_verified_is_not_read_again(index, monkeypatch):
    Index.open(index.folder)
    monkeypatch.setattr("kontrast.vector_index.layout.sound", lambda *_: pytest.fail("read again"))
    Index.open(index.folder)


def test_a_folder_without_an_index_is_told(tmp_path):
    with pytest.raises(Unfit, match="holds no index"):
        Index.open(tmp_path)
    (tmp_path / "index.json").write_text('{"rows": 3}')
    with pytest.raises(Unfit, match="cannot be read"):
        read_meta(tmp_path)
