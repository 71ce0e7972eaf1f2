"""Sentences from data to a folder: train, resume to the same bits, load, embed, evaluate, go on from old weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kontrast
from kontrast import keyed
from kontrast.commands.embed import embed
from kontrast.commands.evaluate import evaluate
from kontrast.commands.search import search
from kontrast.errors import Unfit

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
        kontrast.train(data / "sentences.txt", out=str(tmp_path / "b"), pooler="maximum", **QUICK)
    assert not list(tmp_path.iterdir())


def test_the_best_weights_are_kept_and_a_resumed_run_keeps_the_same(data, tmp_path):
    """The rate grows until the run falls apart, so that the best look is not the last."""
    how = {**QUICK, "epochs": 4, "lr": 3.0, "schedule": "constant", "warmup": 4.0, "evaluate_every": 4}
    how |= {"validate": str(data / "sentences.txt")}
    said = []
    whole = kontrast.train(data / "nli.csv", out=str(tmp_path / "whole"), say=said.append, **how)
    rows = [json.loads(line) for line in (whole.path / "log.jsonl").read_text().splitlines()]
    scores = {row["step"]: row["held_out_recall_at_1"] for row in rows if "held_out_recall_at_1" in row}
    assert list(scores) == list(range(4, 41, 4)) and max(scores.values()) > scores[40]
    best = max(scores, key=scores.get)
    assert f"best     the weights of step {best} are kept" in "\n".join(said)
    assert whole.summary["evaluation"]["learned"]["recall_at_1"] == pytest.approx(scores[best], abs=1e-6)
    part = tmp_path / "part"
    shutil.copytree(whole.path, part)
    (part / "summary.json").unlink()
    for path in sorted((part / "checkpoints").iterdir())[-1:]:  # the last epoch is forgotten
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    resumed = kontrast.train(resume=part, say=lambda _: None)
    wanted, found = (load_file(next((r.path / "model").rglob("model.safetensors"))) for r in (whole, resumed))
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_looking_without_held_out_data_is_refused(data, tmp_path):
    with pytest.raises(Unfit, match="give --validate DATA"):
        kontrast.train(data / "nli.csv", out=str(tmp_path / "x"), validate="none", evaluate_every=4, **QUICK)


def test_masked_words_alone_are_not_called_collapsed(data, tmp_path):
    """Nothing pulls the sentences apart there: that all point one way is told, not accused."""
    how = {**QUICK, "encoder": "small", "epochs": 1, "batch_size": 64, "set": ["contrast=0", "mlm=1"]}
    run = kontrast.train(data / "sentences.txt", out=str(tmp_path / "mlm"), say=lambda _: None, **how)
    assert run.exit_code == 0 and run.summary["verdict"].startswith("masked words")


def test_the_report_shows_held_out_sentences_with_their_nearest(run):
    page = (run.path / "report.html").read_text()
    for words in ("See for yourself", "learned encoder", "word counts", "What counted as the same", "hard negative"):
        assert words in page
    assert page.count('class="quote"') == 10 and 'class="verdict' in page and "bokeh" in page.lower()


def test_sentences_are_embedded_and_searched_by_words_file_and_row(run, data, tmp_path):
    lines = embed(run.path, data / "sentences.txt", tmp_path / "x.npy")
    assert "240 of width" in lines[0] and np.load(tmp_path / "x.npy").shape == (240, run.model.width)
    assert "sun" in (tmp_path / "x.csv").read_text()
    found = search(run.path, data / "sentences.txt", "sun moon star", 5)
    assert set(found["hits"][0]["name"].split()) <= set(WORDS[:5]) and len(found["hits"]) == 5
    (tmp_path / "q.txt").write_text("sun moon star\n")
    assert search(run.path, data / "sentences.txt", str(tmp_path / "q.txt"), 5)["hits"] == found["hits"]
    by_row = search(run.path, data / "sentences.txt", "7", 5)["hits"]
    assert all(hit["row"] != 7 for hit in by_row)
    with pytest.raises(Unfit, match="reads sentences"):
        embed(run.path, "digits", tmp_path / "y.npy")
    with pytest.raises(Unfit, match="--sheet draws pictures"):
        search(run.path, data / "sentences.txt", "sun", sheet=tmp_path / "s.png")


def test_a_protocol_that_does_not_fit_is_refused_with_the_one_that_does(run, data):
    assert evaluate(run.path, data / "sts", protocols=["sts"])[0]["learned"]["sets"]["average"] > 0
    with pytest.raises(Unfit, match=r"--retrieval does not fit .* what fits: --sts"):
        evaluate(run.path, data / "sts" / "one.csv", protocols=["retrieval"])
    assert "recall_at_5" in evaluate(run.path, data / "nli.csv", protocols=["retrieval"])[0]["learned"]
    with pytest.raises(Unfit, match="are for zero-shot"):
        evaluate(run.path, data / "nli.csv", templates="80")
