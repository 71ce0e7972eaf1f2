"""Trackers get each row of a run once, however often it is interrupted; none of them is needed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import kontrast
from kontrast.errors import Unfit
from kontrast.training import trackers
from kontrast.training.run_folder import Folder
from kontrast.training.trackers import Bridge, named

ROWS = [{"step": step, "loss": 1 / step, "spread": 0.1, "verdict": "words", "ok": True} for step in (1, 2, 3, 4)]
ROWS.insert(2, {"step": 2, "knn_top1": 0.5})


class Notebook:
    """A tracker that writes down what it gets, in the run folder."""

    def __init__(self, path: Path, name: str, config: Any) -> None:
        self.path, self.name = path / "notes.jsonl", name or f"run {len(config)}"

    def write(self, step: int, values: Any) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps([self.name, step, values]) + "\n")

    def close(self) -> None:
        pass


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trackers.TRACKERS, "notebook", Notebook)
    monkeypatch.setattr(trackers, "find_spec", lambda name: True)


def folder(path: Path) -> Folder:
    if path.exists():
        return Folder.open(path)
    made = Folder.create(path)
    made.write_yaml("config.yaml", {"method": "simclr"})
    return made


def notes(path: Path) -> list[Any]:
    return [json.loads(line) for line in (path / "notes.jsonl").read_text().splitlines()]


def through(path: Path, rows: list[Any], log: str | None = "notebook", cut: int | None = None) -> list[str]:
    """Log these rows as a run does that is interrupted after them."""
    told: list[str] = []
    with folder(path) as run:
        if cut is not None:
            run.cut_log(cut)
        bridge = Bridge(run, log, told.append)
        for row in rows:
            run.log(row)
            bridge.send(row)
        bridge.close()
    return told


@pytest.mark.usefixtures("noted")
def test_each_row_comes_once_though_the_log_was_cut_back(tmp_path: Path) -> None:
    through(tmp_path / "run", ROWS[:4])
    through(tmp_path / "run", ROWS[1:], cut=1)  # steps 2 and 3 are said again
    expected = [
        ["run 1", row["step"], {k: v for k, v in row.items() if k in ("loss", "spread", "knn_top1")}] for row in ROWS
    ]
    assert notes(tmp_path / "run") == expected


@pytest.mark.usefixtures("noted")
def test_a_tracker_that_comes_later_gets_what_was(tmp_path: Path) -> None:
    through(tmp_path / "run", ROWS[:3], log=None)
    assert not (tmp_path / "run" / "notes.jsonl").exists()
    through(tmp_path / "run", ROWS[3:])
    assert [step for _, step, _ in notes(tmp_path / "run")] == [1, 2, 2, 3, 4]


@pytest.mark.usefixtures("noted")
def test_a_tracker_that_fails_costs_the_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Notebook, step: int, values: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Notebook, "write", full)
    told = through(tmp_path / "run", ROWS)
    assert told == ["--log notebook: OSError: no space left. The run goes on without it; log.jsonl has everything."]
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == len(ROWS)


def test_wrong_words_and_missing_packages_are_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unfit, match="'tensorbord' is no tracker; did you mean 'tensorboard'"):
        named("tensorbord")
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(
        Unfit, match=r'--log wandb: the package is not installed: pip install wandb, or "kontrast\[log\]"'
    ):
        kontrast.train("digits", method="simclr", log="wandb")
    assert named(None) == () and named("") == ()


def interrupted_and_resumed(path: Path, log: str) -> list[dict[str, Any]]:
    """A run of the digits in two parts; its log."""
    words = {"method": "simclr", "epochs": 3, "batch_size": 256, "validate": "none", "threads": 1}
    kontrast.train("digits", out=str(path), log=log, max_minutes=0.0005, say=lambda _: None, **words)
    kontrast.train(resume=str(path), max_minutes=9.0, say=lambda _: None)
    return [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]


def losses(rows: list[dict[str, Any]]) -> dict[int, float]:
    return {row["step"]: pytest.approx(row["loss"], rel=1e-6) for row in rows if "loss" in row}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed: kontrast[log]")
def test_tensorboard_shows_one_run(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = interrupted_and_resumed(tmp_path / "run", "tensorboard")
    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    points = shown.Scalars("loss")
    assert {point.step: point.value for point in points} == losses(rows) and len(points) == len(losses(rows)) > 1
    assert len(shown.Scalars("lr")) == len(points)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed: kontrast[log]")
def test_mlflow_has_one_run_in_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    rows = interrupted_and_resumed(tmp_path / "run", "mlflow")
    client = MlflowClient((tmp_path / "run" / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("kontrast").experiment_id])
    points = client.get_metric_history(run.info.run_id, "loss")
    assert {point.step: point.value for point in points} == losses(rows) and len(points) == len(losses(rows)) > 1
    assert run.info.status == "FINISHED" and run.data.params["epochs"] == "3"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed: kontrast[log]")
def test_wandb_writes_offline_under_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    interrupted_and_resumed(tmp_path / "run", "wandb")
    kept = json.loads((tmp_path / "run" / "trackers.json").read_text())["wandb"]
    parts = [part.name for part in (tmp_path / "run" / "wandb").glob("offline-run-*")]
    assert len(parts) == 2 and all(part.endswith(kept["name"]) for part in parts)
