"""Sentences from data to a folder: train, resume to the same bits, load, embed, evaluate, go on from old weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kontrast
from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.finish import evaluate

pytest.importorskip("tokenizers", reason="tokenizers is not installed")
QUICK = {"method": "simcse", "encoder": "static", "epochs": 2, "batch_size": 16, "threads": 1}
WORDS = "sun moon star rain snow wind leaf root seed bird fish wolf bread salt milk stone iron gold boat road".split()  # noqa: SIM905


def words_of(row):
    """A sentence of 8 words: a topic of five words, drawn from with repetition."""
    topic = WORDS[5 * (row % 4) : 5 * (row % 4) + 5]
    return " ".join(topic[n] for n in keyed.below(5, "words", row, np.arange(8)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    (folder / "sentences.txt").write_text("\n".join(words_of(row) for row in range(240)))
    rows = [f"{words_of(n)},{words_of(n + 240)},{words_of(n + 241)}" for n in range(160)]
    (folder / "nli.csv").write_text("\n".join(["anchor,positive,hard_negative", *rows]))
    rows = [f"{words_of(n)},{words_of(n + 4 - n % 2)},{5 * (1 - n % 2)}" for n in range(60)]
    (folder / "sts").mkdir()
    for name in ("one", "two"):
        (folder / "sts" / f"{name}.csv").write_text("\n".join(["sentence1,sentence2,score", *rows]))
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return kontrast.train(data / "nli.csv", out=str(tmp_path_factory.mktemp("runs") / "run"), **QUICK)


def test_a_run_on_triplets_learns_and_leaves_an_evaluated_folder(run):
    found = run.summary["evaluation"]
    assert {"learned", "before", "random_weights", "raw_input", "about"} <= found.keys()
    assert found["about"]["view_items"] == 16 and found["learned"]["recall_at_10"] > 0.5
    assert {path.name for path in (run.path / "model").iterdir()} >= {"modules.json", "README.md", "0_StaticEmbedding"}


def test_the_folder_read_again_gives_the_same_vectors(run, data):
    again = kontrast.load(run.path)
    np.testing.assert_allclose(again.embed(["sun moon"]), run.model.embed(["sun moon"]), atol=1e-6)
    assert again.embed(data / "sentences.txt").shape == (240, again.width)
    assert again.similarity(again.embed(["sun"]), again.embed(["sun", "gold"]))[0, 0] == pytest.approx(1, abs=1e-5)


def test_evaluating_a_file_and_a_folder_of_judged_pairs(run, data):
    result, lines = evaluate(run.path, data / "sts" / "one.csv")
    assert 0 < result["learned"]["spearman"] <= 1 and "raw_input" in result and lines
    result, lines = evaluate(run.path, data / "sts")
    assert len(result["learned"]["sets"]) == 3 and lines[-1].startswith("average")


def test_a_resumed_run_ends_with_the_same_bits(data, tmp_path):
    """The small transformer under dropout, stopped after its first epoch."""
    how = {**QUICK, "encoder": "small", "epochs": 2, "batch_size": 64, "validate": "none", "set": ["mlm=0.1"]}
    whole = kontrast.train(data / "sentences.txt", out=str(tmp_path / "whole"), **how)
    part = kontrast.train(data / "sentences.txt", out=str(tmp_path / "part"), **how)
    newest = sorted((part.path / "checkpoints").iterdir())[-1]
    for path in [newest] if newest.is_file() else sorted(newest.rglob("*")):
        path.unlink() if path.is_file() else None
    (part.path / "summary.json").unlink()
    resumed = kontrast.train(resume=part.path)
    assert resumed.summary["steps"] == whole.summary["steps"] == 6
    wanted, found = (load_file(r.path / "model" / "model.safetensors") for r in (whole, resumed))
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_a_run_that_goes_on_is_measured_beside_where_it_began(run, data, tmp_path):
    again = kontrast.train(data / "nli.csv", out=str(tmp_path / "on"), weights_from=run.path, **{**QUICK, "lr": 1e-9})
    found = again.summary["evaluation"]
    assert found["learned"]["recall_at_1"] == pytest.approx(found["before"]["recall_at_1"], abs=0.1)
    assert found["before"] != found["random_weights"]


def test_pictures_and_misspelt_poolers_are_refused(data, tmp_path):
    with pytest.raises(Unfit, match="needs sentences"):
        kontrast.train("digits", out=str(tmp_path / "a"), **QUICK)
    with pytest.raises(Unfit, match="cls-before-pooler"):
        kontrast.train(data / "sentences.txt", out=str(tmp_path / "b"), pooler="max", **QUICK)
    assert not list(tmp_path.iterdir())
