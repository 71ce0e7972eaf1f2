"""`kontrast search INDEX`: the answers of `kontrast search RUN DATA`, for many queries, with conditions and a sheet."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.commands.search import asked_of, search
from kontrast.commands.search_index import search_index
from kontrast.errors import Unfit
from kontrast.vector_index.layout import Index
from kontrast.vector_index.smaller import shrink


@pytest.fixture(scope="module")
def digits_index(digits_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "i"
    kontrast.index(digits_run, "digits", folder, split="test", shard=100)
    return folder


def test_rows_are_those_of_the_search_without_an_index(digits_run, digits_index):
    sample = Index.open(digits_index).column("id")[3]
    here = search_index(digits_index, [str(sample)], 5)[0]
    there = search(digits_run, "digits", str(sample), 5, split="test")
    assert [hit["row"] for hit in here["hits"]] == [hit["row"] for hit in there["hits"]]
    assert here["searched"] == there["searched"]
    scores = [[hit["score"] for hit in found["hits"]] for found in (here, there)]
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-6)


def test_pictures_many_queries_and_a_condition(digits_run, digits_index, tmp_path):
    index = Index.open(digits_index)
    source = kontrast.data.open_source("digits")
    sample = index.column("id")[9]
    Image.fromarray(source.images([sample])[0][0].numpy()).save(tmp_path / "q.png")
    label = index.column("label")[9]
    found = search_index(
        index, [str(tmp_path / "q.png"), str(sample)], 3, where=f"label <> '{label}'", sheet=tmp_path / "sheet.png"
    )
    labels = dict(zip(index.column("id"), index.column("label")))
    assert all(labels[hit["row"]] != label for one in found for hit in one["hits"])
    assert [hit["row"] for hit in found[0]["hits"]] == [hit["row"] for hit in found[1]["hits"]]
    assert search_index(index, [str(tmp_path / "q.png")], 1)[0]["hits"][0]["row"] == sample
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 300
    json.dumps(found)


def test_smaller_vectors_answer_with_their_recall(digits_run, digits_index, tmp_path):
    index = shutil.copytree(digits_index, tmp_path / "i")
    shrink(Index.open(index), "int8", least=0.5)
    (small,) = asked_of(index, None, [str(Index.open(index).column("id")[3])], precision="int8")
    (whole,) = asked_of(index, None, [str(Index.open(index).column("id")[3])])
    assert 0.5 <= small["recall_at_10"] <= 1 and "recall_at_10" not in whole
    assert small["hits"][0] == whole["hits"][0] and len(small["hits"]) == 10
    with pytest.raises(Unfit, match="--precision is asked of an index alone"):
        asked_of(digits_run, "digits", ["3"], precision="int8")
    with pytest.raises(Unfit, match="--width is of smaller vectors"):
        asked_of(index, None, ["3"], width=8)


@pytest.mark.parametrize(
    "query,how,told",
    [
        ([], {}, "at least one query"),
        (["99999"], {}, "not the id of a row"),
        (["1"], {"k": 0}, "-k must be"),
        (["a red dog"], {}, "neither a picture file"),
    ],
)
def test_what_cannot_be_asked_is_told(digits_index, query, how, told):
    with pytest.raises(Unfit, match=told):
        search_index(digits_index, query, **how)


def test_a_model_that_moved_or_changed_is_told(digits_run, digits_index, tmp_path):
    shutil.copytree(digits_run / "model", tmp_path / "model")
    picture = tmp_path / "q.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture)
    assert search_index(digits_index, [str(picture)], 1, model=tmp_path / "model")
    with open(tmp_path / "model" / "config.json", "a") as file:
        file.write(" ")
    with pytest.raises(Unfit, match="is not the model that made"):
        search_index(digits_index, [str(picture)], 1, model=tmp_path / "model")
    with pytest.raises(Unfit, match="which is not there"):
        search_index(digits_index, [str(picture)], 1, model=tmp_path / "gone")


def test_the_two_forms_of_the_verb_are_kept_apart(digits_run, digits_index):
    with pytest.raises(Unfit, match="is no index"):
        asked_of(digits_run, None, ["1"])
    with pytest.raises(Unfit, match="--where is asked of an index"):
        asked_of(digits_run, "digits", ["1"], where="id < 3")
    with pytest.raises(Unfit, match="one query was expected"):
        asked_of(digits_run, "digits", ["1", "2"])
    with pytest.raises(Unfit, match="choose its rows by --where"):
        asked_of(digits_index, None, ["1"], split="test")
