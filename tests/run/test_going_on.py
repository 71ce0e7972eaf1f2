"""`--resume`: the same run or a sentence that names what differs; what a run leaves when something fails at its end."""

import json
from dataclasses import fields

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from tests import small_data

from kontrast import files, train
from kontrast.errors import Unfit
from kontrast.modalities.registry import MODALITIES
from kontrast.run import finish
from kontrast.settings import Settings
from kontrast.training import checkpoints

WORDS = {"method": "simclr", "epochs": 3, "batch_size": 16, "threads": 1, "validate": "none"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data.written(tmp_path_factory.mktemp("data"))


def quiet(text):
    """Nobody listens."""


@pytest.fixture
def stopped(data, tmp_path):
    """A run folder with a checkpoint of steps 6 and 12 of 18, and no end."""
    out = tmp_path / "run"

    class Gone(Exception):
        """Like a kill, without the process."""

    def show(row, steps):
        if row["step"] == 13:
            raise Gone

    with pytest.raises(Gone):
        train(data["images"], out=str(out), say=quiet, show=show, **WORDS)
    return out


def refused(run, *words, **more):
    with pytest.raises(Unfit) as told:
        train(*words, resume=run, say=quiet, **more)
    return str(told.value)


def test_what_is_for_new_runs_is_named(stopped, data):
    assert "--dry-run" in refused(stopped, dry_run=True)
    assert "--config" in refused(stopped, config=stopped / "config.yaml")
    assert "--from" in refused(stopped, weights_from=stopped)
    assert "--out" in refused(stopped, out=str(stopped) + "-other")
    assert "lr 0.5" in refused(stopped, lr=0.5)
    assert "digits" in refused(stopped, "digits")
    assert "--resume is empty" in refused("")
    assert not (stopped / "summary.json").exists()
    assert checkpoints.newest(stopped / "checkpoints")[1]["step"] == 12


def test_its_own_data_and_what_changes_no_bit_may_be_said(stopped, data):
    run = train(data["images"], resume=stopped, out=str(stopped), workers=1, checkpoint_every=1, say=quiet)
    assert run.ending == "done" and run.summary["steps"] == 18


@pytest.mark.parametrize("name,value", [("lr", 0.5), ("epochs", 9), ("seed", 5), ("views", "plain"), ("from", "x")])
def test_an_edited_configuration_is_named(stopped, name, value):
    path = stopped / "config.yaml"
    written = path.read_text()
    path.write_text(yaml.safe_dump(yaml.safe_load(written) | {name: value}))
    assert f"{name} {value} (was" in refused(stopped)
    path.write_text("# a remark\n" + written)
    assert train(resume=stopped, say=quiet).ending == "done"


def test_a_method_edited_inside_is_named(stopped):
    path = stopped / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["method"]["width"] += 1
    path.write_text(yaml.safe_dump(content))
    assert "method width" in refused(stopped)


def rewritten(path, change):
    """The checkpoint with another state, its hash made right again: what a craftsman leaves, no accident."""
    tensors, metadata = files.read_tensors_and_metadata(path)
    state = json.loads(metadata["state"])
    change(tensors, state)
    text = json.dumps(state, sort_keys=True)
    save_file(tensors, path, {"state": text, "hash": checkpoints.digest(tensors, text)})


def test_an_old_checkpoint_without_a_configuration_goes_on(stopped):
    for path in checkpoints.found(stopped / "checkpoints"):
        rewritten(path, lambda tensors, state: (state.pop("config"), state.pop("seed")))
    assert train(resume=stopped, say=quiet).ending == "done"


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, state: state["loop"].update(step=7),
        lambda tensors, state: state.pop("loop"),
        lambda tensors, state: state["loop"].update(nonsense=1),
        lambda tensors, state: state.update(watch=[1]),
        lambda tensors, state: state["watch"].update(nonsense=1),
        lambda tensors, state: tensors.update({"method.encoder.net.0.weight": torch.zeros(2)}),
        lambda tensors, state: [tensors.pop(name) for name in list(tensors) if name.startswith("optimizer.")],
        lambda tensors, state: [tensors.pop(name) for name in list(tensors) if name.startswith("method.")],
    ],
    ids=["step", "loop", "loop field", "watch", "watch field", "shape", "optimizer", "weights"],
)
def test_a_checkpoint_of_no_such_run_is_named(stopped, change):
    newest = checkpoints.found(stopped / "checkpoints")[-1]
    rewritten(newest, change)
    told = refused(stopped)
    assert newest.name in told and "Delete it" in told
    newest.unlink()
    assert train(resume=stopped, say=quiet).ending == "done"


@pytest.mark.parametrize("change", [lambda t, s: s.update(step=13), lambda t, s: s.update(step="x")])
def test_a_checkpoint_under_a_wrong_name_is_passed_over(stopped, change):
    rewritten(checkpoints.found(stopped / "checkpoints")[-1], change)
    said = []
    assert train(resume=stopped, say=said.append).ending == "done"
    assert any("was refused" in line for line in said) and any("at step 6" in line for line in said)


@pytest.mark.parametrize("bad", [b"\xff\xfe{}\n", b"[1]\n", b"{\n", b'{"loss": 1}\n', b'{"step": "x"}\n', b"\x00\n"])
def test_a_line_of_the_log_that_is_none_is_left_out(stopped, bad):
    path, said = stopped / "log.jsonl", []
    good = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([good[0], bad, *good[1:]]))
    assert train(resume=stopped, say=said.append).ending == "done"
    assert any("log.jsonl: 1 line" in line for line in said)
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert steps == sorted(steps) and steps[-1] == 18


def test_a_run_ended_by_time_says_so_and_can_be_trained_on(data, tmp_path):
    whole = train(data["images"], out=str(tmp_path / "whole"), say=quiet, **WORDS)
    said = []
    run = train(data["images"], out=str(tmp_path / "run"), max_minutes=1e-6, say=said.append, **WORDS)
    assert run.ending == "time" and run.summary["steps"] < 18 and (tmp_path / "run/model/model.safetensors").exists()
    assert any("Ended by --max-minutes" in line and "--max-minutes 60" in line for line in said)
    said.clear()
    again = train(resume=tmp_path / "run", say=said.append)
    assert again.ending == "time" and not any("finished already" in line for line in said)
    assert any("--max-minutes 60" in line for line in said)
    on = train(resume=tmp_path / "run", max_minutes=60, say=quiet)
    assert on.ending == "done" and on.summary["steps"] == 18
    ours, theirs = ((one.path / "model/model.safetensors").read_bytes() for one in (on, whole))
    assert ours == theirs
    said.clear()
    train(resume=tmp_path / "run", say=said.append)
    assert any("finished already" in line for line in said)


def test_what_cannot_be_evaluated_costs_a_sentence(data, tmp_path, monkeypatch):
    """Not even a fault of ours in the evaluation or in the report's pictures loses the model."""

    def broken(*_):
        raise RuntimeError("no such kernel")

    from kontrast.modalities.images.modality import OpenedImages

    monkeypatch.setattr(OpenedImages, "evaluate", broken)
    monkeypatch.setattr(OpenedImages, "sections", broken)
    said = []
    run = train(data["images"], out=str(tmp_path / "run"), say=said.append, **WORDS | {"validate": str(data["images"])})
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert run.ending == "done" and run.embed(np.zeros((1, 12, 12, 3), dtype=np.uint8)).shape[0] == 1
    assert len(summary["not_evaluated"]) == 2 and "no such kernel" in summary["not_evaluated"][0]
    assert "no such kernel" in (tmp_path / "run/report.html").read_text()
    assert finish.TRIES > 1


def test_a_held_out_part_of_one_is_refused_before_the_work(data, tmp_path):
    one = tmp_path / "one"
    one.mkdir()
    (one / "a.png").write_bytes(next(data["images"].iterdir()).read_bytes())
    with pytest.raises(Unfit, match="1 usable sample; a check needs at least 2"):
        train(data["images"], out=str(tmp_path / "run"), say=quiet, **WORDS | {"validate": str(one)})
    assert not (tmp_path / "run").exists()


def test_the_train_part_of_data_with_a_test_part_trains(data, tmp_path):
    folder = tmp_path / "parts"
    for place, path in enumerate(sorted(data["images"].iterdir())):
        part = folder / ("test" if place % 4 == 0 else "train")
        part.mkdir(parents=True, exist_ok=True)
        (part / path.name).write_bytes(path.read_bytes())
    run = train(folder, out=str(tmp_path / "run"), split="train", say=quiet, **WORDS | {"validate": None})
    assert run.ending == "done"


@pytest.mark.parametrize("method", ["simclr", "simcse", "clip"])
def test_a_configuration_written_by_a_run_is_never_refused(method, data, tmp_path):
    """It names what the kind of data has no use for, too: repeated, those are nobody's words."""
    words = {"method": method, "epochs": 1, "batch_size": 16, "threads": 1, "validate": "none", "seed": 3}
    first = train(small_data.of(method, data), out=str(tmp_path / "run"), say=quiet, **words)
    again = train(config=first.path / "config.yaml", out=str(tmp_path / "again"), say=quiet)
    ours, theirs = (next((run.path / "model").rglob("*.safetensors")).read_bytes() for run in (again, first))
    assert ours == theirs


def test_every_setting_is_of_some_use():
    names = {field.name for field in fields(Settings)}
    for modality in MODALITIES.values():
        assert set(modality.unused) <= names
    assert not set.intersection(*(set(modality.unused) for modality in MODALITIES.values()))
