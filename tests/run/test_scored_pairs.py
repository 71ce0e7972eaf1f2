"""Rows a, b, label from a table to a model: refusals, runs, a resumed one, and two processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.distributed import test_processes as test_many
from tests.scored_rows import PICTURED, QUICK, ROWS, WORDED, written

import kontrast
from kontrast.commands.evaluate import evaluate
from kontrast.commands.preview import preview
from kontrast.errors import Unfit
from kontrast.run.plan import planned_on
from kontrast.settings import Settings


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("scored"))


@pytest.mark.parametrize("method", ["moco", "moco-v2", "swav", "byol", "barlow-twins", "clip", "simcse"])
def test_methods_without_the_margin_refuse_rows_of_pictures(method: str, data: Path) -> None:
    with pytest.raises(Unfit, match=rf"rows of two pictures and a label .*{method} has no use .*--method simclr has"):
        kontrast.train(data / "pictures.csv", method=method, dry_run=True, say=QUICK["say"])


@pytest.mark.parametrize("method", ["simclr", "moco", "clip"])
def test_methods_on_pictures_refuse_rows_of_sentences(method: str, data: Path) -> None:
    with pytest.raises(Unfit, match=r"rows of two sentences .*--method simcse has"):
        kontrast.train(data / "sentences.csv", method=method, dry_run=True, say=QUICK["say"])


@pytest.mark.parametrize(
    "file,how,words",
    [
        ("scores.csv", {}, r"scores from 0 to 5, not only 0 and 1: say from which .*--similar-from 4"),
        ("scores.csv", {"similar_from": 9}, "all 180 rows to train on are dissimilar"),
        ("sentences.csv", {"similar_from": 0}, "all 180 rows to train on are similar"),
        ("sentences.csv", {"similarity": "dot"}, "--similarity dot is no distance"),
        ("sentences.csv", {"negatives": "queue:64"}, "--negatives has no place on rows a, b, label"),
        ("sentences.csv", {"decoupled": True}, "--decoupled has no place"),
        ("sentences.csv", {"set": ["margin=0"]}, "a number greater than 0 was expected"),
    ],
)
def test_what_the_margin_has_no_place_for_is_refused(file: str, how: dict, words: str, data: Path) -> None:
    with pytest.raises(Unfit, match=words):
        kontrast.train(data / file, **{**WORDED, **how}, dry_run=True)


def test_same_and_crops_are_refused_and_a_threshold_needs_scores(data: Path, tmp_path: Path) -> None:
    for name, value in (("same", "folder"), ("crops", "2x10+2x6")):
        with pytest.raises(Unfit, match=f"--{name} has no place on rows a, b, label"):
            kontrast.train(data / "pictures.csv", **{**PICTURED, name: value}, dry_run=True)
    with pytest.raises(Unfit, match="--similar-from is for rows a, b, score"):
        kontrast.train("digits", method="simclr", similar_from=1, dry_run=True, say=QUICK["say"])


@pytest.fixture(scope="module")
def pictured(data: Path, tmp_path_factory: pytest.TempPathFactory):
    return kontrast.train(data / "pictures.csv", out=str(tmp_path_factory.mktemp("runs") / "p"), **PICTURED)


@pytest.fixture(scope="module")
def worded(data: Path, tmp_path_factory: pytest.TempPathFactory):
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    return kontrast.train(data / "sentences.csv", out=str(tmp_path_factory.mktemp("runs") / "t"), **WORDED)


@pytest.mark.parametrize("kind", ["pictured", "worded"])
def test_held_out_rows_are_told_apart_better_than_at_random(kind: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(kind)
    found = run.summary["evaluation"]
    assert found["learned"]["pair_auc"] > max(0.8, found["random_weights"]["pair_auc"])
    assert found["about"]["chance"]["pair_auc"] == 0.5 and found["about"]["items"] == ROWS // 10
    assert run.exit_code == 0 and run.summary["verdict"].startswith("healthy: similar pairs are")
    assert "the similar one is nearer" in run.summary["learned"]
    rows = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    ours = [row for row in rows if "loss" in row]
    assert ours[-1]["loss"] < ours[-1]["guessing"] <= 1 / 8 and ours[0]["loss"] > ours[-1]["loss"]
    assert any("held_out_loss" in row for row in rows)
    assert (run.path / "report.html").stat().st_size > 1000


def test_a_run_on_pictures_is_evaluated_again_and_previewed(pictured, data: Path, tmp_path: Path) -> None:
    result, lines = evaluate(pictured.path, data / "pictures.csv")
    assert result["learned"]["pair_auc"] > 0.8 and any("similar pair nearer" in line for line in lines)
    told = preview(data / "pictures.csv", tmp_path / "a.png", method="simclr", views="none")
    assert any("second picture of the row" in line for line in told)


def test_scores_are_cut_where_the_user_says(worded, data: Path, tmp_path: Path) -> None:
    """Scores 0 and 5 cut at 4 are the labels 1 and 0: the same weights; a resumed run knows the threshold."""
    run = kontrast.train(data / "scores.csv", out=str(tmp_path / "cut"), similar_from=4.0, **WORDED)
    wanted, found = (load_file(next((r.path / "model").rglob("model.safetensors"))) for r in (worded, run))
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert run.plan.settings.similar_from == 4.0


def test_a_resumed_run_ends_with_the_same_bits(pictured, data: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(pictured.path, part)
    (part / "summary.json").unlink()
    newest = sorted((part / "checkpoints").iterdir())[-1]
    shutil.rmtree(newest) if newest.is_dir() else newest.unlink()
    resumed = kontrast.train(resume=part, say=QUICK["say"])
    wanted, found = (r.model.encoder.state_dict() for r in (pictured, resumed))
    assert resumed.ending == "done" and all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_the_plan_says_the_margin_and_no_temperature(data: Path) -> None:
    said: list[str] = []
    kontrast.train(data / "pictures.csv", **{**PICTURED, "say": said.append}, set=["margin=0.5"], dry_run=True)
    told = "\n".join(said)
    assert "90 of 180 similar" in told or "of 180 similar; margin 0.5 in 1 - cosine, no temperature" in told
    assert "temperature 0" not in told.rpartition("plan ")[2] and "scored pairs" in told
    plan, parts = planned_on(data / "pictures.csv", Settings(method="simclr", similarity="euclidean"))
    assert plan.config.similarity == "euclidean" and len(parts.train_ids) == ROWS - len(parts.check_ids) == 180


@pytest.mark.proof
@pytest.mark.parametrize("file,how", [("pictures.csv", PICTURED), ("sentences.csv", WORDED)])
def test_a_run_of_two_processes_is_that_of_one(file: str, how: dict, data: Path, tmp_path: Path) -> None:
    """From the command's words on; 23 rows are 12 and 11."""
    words = {**how, "data": str(data / file), "batch_size": 23, "epochs": 1, "validate": "none"}
    words |= {"optimizer": "sgd", "lr": 0.01}
    words.pop("say")
    for count in (1, 2):
        codes, said = test_many.world(count, {**words, "out": str(tmp_path / str(count))}, tmp_path / f"said{count}")
        assert codes == [0] * count, said
    alone, together = (test_many.losses(tmp_path / name) for name in "12")
    assert len(alone) == ROWS // 23
    np.testing.assert_allclose(together, alone, rtol=1e-4)
