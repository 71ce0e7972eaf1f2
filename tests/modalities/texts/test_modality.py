"""Sentences from data to a folder: train, resume to the same bits, load, embed, evaluate, go on from old weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.modalities.texts.topics import QUICK, WORDS

import kontrast
from kontrast.commands.embed import embed
from kontrast.commands.search import search
from kontrast.errors import Unfit

pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def test_a_run_on_triplets_learns_and_leaves_an_evaluated_folder(run):
    found = run.summary["evaluation"]
    assert {"learned", "before", "random_weights", "raw_input", "about"} <= found.keys()
    assert found["about"]["view_items"] == 16 and found["learned"]["recall_at_10"] > 0.5
    assert {path.name for path in (run.path / "model").iterdir()} >= {"modules.json", "README.md", "0_StaticEmbedding"}


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


def test_pictures_and_misspelt_poolers_are_refused(data, tmp_path):
    with pytest.raises(Unfit, match="needs sentences"):
        kontrast.train("digits", out=str(tmp_path / "a"), **QUICK)
    with pytest.raises(Unfit, match=r"did you mean 'max'"):
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
