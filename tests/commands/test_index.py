"""`kontrast index`: from a run and data to a folder that holds the model's own vectors."""

import numpy as np
import pandas
import pytest
from PIL import Image

import kontrast
from kontrast.commands.index import written
from kontrast.errors import Unfit
from kontrast.vector_index.search import fulfilling


def test_vectors_are_the_models_own(digits_run, tmp_path):
    index = kontrast.index(digits_run, "digits", tmp_path / "i", split="test", shard=100)
    model = kontrast.load(digits_run)
    source = kontrast.data.open_source("digits", split="test")
    vectors = model.embed_source(source, source.ids).numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(index.vectors[0 : len(unit)], unit, atol=1e-5)
    assert index.column("id") == source.ids.tolist() and set(index.column("label")) == set("0123456789")
    assert index.meta.options == {"split": "test"} and index.meta.shards == 4


def test_lines_say_what_was_made_and_what_was_left(digits_run, tmp_path):
    for name in "abc":
        Image.fromarray(np.full((8, 8), 80, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "data").mkdir()
    for name in "abc":
        (tmp_path / f"{name}.png").rename(tmp_path / "data" / f"{name}.png")
    lines = written(digits_run, tmp_path / "data", tmp_path / "i")
    assert lines[0].startswith("index    3 rows of width ") and lines[1] == "shards   1 made here"
    Image.fromarray(np.full((8, 8), 81, np.uint8)).save(tmp_path / "data" / "b.png")
    assert "1 made again, changed or damaged (00000)" in written(digits_run, tmp_path / "data", tmp_path / "i")[1]
    assert "1 as they were" in written(digits_run, tmp_path / "data", tmp_path / "i")[1]


@pytest.mark.parametrize(
    "how,told",
    [({"dtype": "int4"}, "--dtype 'int4'"), ({"thumbnail": -1}, "--thumbnail -1"), ({"split": "nowhere"}, "split")],
)
def test_what_cannot_be_made_is_refused(digits_run, tmp_path, how, told):
    with pytest.raises(Unfit, match=told):
        kontrast.index(digits_run, "digits", tmp_path / "i", **how)
    assert not (tmp_path / "i").exists()


def test_an_index_does_not_lie_in_its_data(digits_run, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(Unfit, match="which it is made of"):
        kontrast.index(digits_run, tmp_path, tmp_path / "i")


def test_columns_that_play_no_part_are_there_for_filters(digits_run, tmp_path):
    for name in "abcd":
        Image.fromarray(np.full((8, 8), 16 * ord(name) % 255, np.uint8)).save(tmp_path / f"{name}.png")
    rows = ["image,price,shop,id", "a.png,1,north,x7", "b.png,2.5,,x8", "c.png,,south,x9", "d.png,4,south,x1"]
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    index = kontrast.index(digits_run, tmp_path / "table.csv", tmp_path / "i", shard=2)
    assert index.column("own_id") == ["x7", "x8", "x9", "x1"] and index.column("id") == [0, 1, 2, 3]
    assert fulfilling(index, "shop = 'south'").tolist() == [2, 3]
    frame = pandas.DataFrame({"image": list("abcd"), "price": [1, 2.5, None, 4], "new": [True, False, True, None]})
    frame["image"] = [str(tmp_path / f"{name}.png") for name in frame["image"]]
    typed = kontrast.index(digits_run, frame, tmp_path / "j", shard=2)
    assert fulfilling(typed, "price > 2").tolist() == [1, 3] and fulfilling(typed, "new").tolist() == [0, 2]
    assert typed.column("price")[2] is None
