"""`kontrast index`: from a run and data to a folder that holds the model's own vectors."""

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.commands.index import written
from kontrast.errors import Unfit


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
