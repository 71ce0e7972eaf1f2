"""`kontrast mine`: from sentences, pictures and their labels to tables that train reads."""

import csv

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.commands.mine import mine
from kontrast.errors import Unfit


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """(index of 60 pairs of sentences, its folder)."""
    folder = tmp_path_factory.mktemp("mine")
    things = ["dog", "cat", "horse", "boat", "train", "kite"]
    acts = ["sleeps", "runs", "waits", "turns", "falls", "shines", "stops", "burns", "sings", "leaves"]
    lines = [f"a {thing} {act},the {thing} {act} now" for thing in things for act in acts]
    (folder / "pairs.csv").write_text("\n".join(["anchor,positive", *lines]))
    words = {"method": "simcse", "encoder": "static", "epochs": 1, "batch_size": 16, "validate": "none", "threads": 1}
    run = kontrast.train(str(folder / "pairs.csv"), out=str(folder / "run"), say=lambda _: None, **words).path
    return kontrast.index(run, folder / "pairs.csv", folder / "i", shard=16), folder


def test_triplets_of_sentences_are_read_by_train(sentences, tmp_path):
    index, _ = sentences
    found, lines = mine(index, tmp_path / "t.csv", relative_margin=0.01, negatives=2)
    source = kontrast.data.open_source(tmp_path / "t.csv")
    assert source.kind == "triplets" and len(source.ids) == 2 * len(found.anchors) > 20
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = {(a, p) for a, p in zip(index.column("text"), index.column("positive"))}
    assert all((row["anchor"], row["positive"]) in pairs and row["negative"] != row["positive"] for row in rows)
    assert lines[0].startswith("mined") and lines[-1] == f"wrote    {tmp_path / 't.csv'}"
    mine(index, tmp_path / "again.csv", relative_margin=0.01, negatives=2)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()


def test_pictures_of_a_label_become_judged_rows(digits_run, tmp_path):
    source = kontrast.data.open_source("digits")
    for n in range(60):
        label = source.classes[source.labels[n]]
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.images([n])[0][0].numpy()).save(tmp_path / "data" / label / f"{n:02d}.png")
    index = kontrast.index(digits_run, tmp_path / "data", tmp_path / "i", labels="folder")
    mine(index, tmp_path / "rows.csv", by="label", relative_margin=0.0)
    with open(tmp_path / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    digit = [(row["a"].split("/")[1] == row["b"].split("/")[1], row["label"]) for row in rows]
    assert set(digit) == {(True, "1"), (False, "0")}
    assert kontrast.data.open_source(tmp_path / "rows.csv").scored is not None
    assert np.isin(np.arange(2), [row["label"] == "1" for row in rows]).all()


@pytest.mark.parametrize(
    "how,told",
    [({"negatives": 0}, "at least 1"), ({"min_score": 0.999}, "No anchor"), ({"by": "colour"}, "no column 'colour'")],
)
def test_what_cannot_be_mined_is_told(sentences, tmp_path, how, told):
    with pytest.raises(Unfit, match=told):
        mine(sentences[0], tmp_path / "t.csv", **how)
    assert not (tmp_path / "t.csv").exists()


def test_without_positives_a_column_is_asked_for(digits_run, tmp_path):
    index = kontrast.index(digits_run, "digits", tmp_path / "i", split="test")
    with pytest.raises(Unfit, match="such as --by label"):
        mine(index, tmp_path / "t.csv")
