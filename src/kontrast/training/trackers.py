"""A run's log, shown in TensorBoard, Weights & Biases or MLflow too: `--log tensorboard,wandb,mlflow`.

A bridge over log.jsonl and no part of the run: what it writes can be made again from the log, a tracker that fails is
left out, and a resumed run goes on as the same run there (`trackers.json` keeps its names and how far it came).
Nothing leaves the machine unless it is asked for: wandb writes offline unless WANDB_MODE says otherwise, MLflow into
the run folder unless MLFLOW_TRACKING_URI does. Neither reports on itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from kontrast import files
from kontrast.errors import Unfit
from kontrast.settings import nearest
from kontrast.training.run_folder import Folder

KEPT = "trackers.json"
PROJECT = "kontrast"
QUIET = {  # and MLflow refuses a folder of files unless it is told that it is meant
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}


class Tracker(Protocol):
    """A tracker that has a run open. `name`: what it calls the run, to go on with it."""

    name: str

    def write(self, step: int, values: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class _TensorBoard:
    """Event files in the run folder; a resumed run adds a file, which TensorBoard shows as the same run."""

    def __init__(self, path: Path, name: str, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.name, self.writer = "tensorboard", SummaryWriter(str(path / "tensorboard"))
        if not name:
            lines = "\n".join(f"| {key} | {value} |" for key, value in config.items())
            self.writer.add_text("config", f"| | |\n|---|---|\n{lines}")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.writer.add_scalar(key, value, step)

    def close(self) -> None:
        self.writer.close()


class _WandB:
    """A run of its own name, continued under that name; `wandb sync RUN/wandb/*` sends what was written offline."""

    def __init__(self, path: Path, name: str, config: Mapping[str, Any]) -> None:
        import wandb

        self.name = name or uuid4().hex[:8]
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=path.resolve().name,
            id=self.name,
            resume="allow",
            dir=str(path),
            mode=os.environ.get("WANDB_MODE", "offline"),
            config=dict(config),
            settings=wandb.Settings(console="off", silent=True),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()


class _MLflow:
    """A run of the experiment `kontrast`, in RUN/mlruns."""

    def __init__(self, path: Path, name: str, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        here = (path.resolve() / "mlruns").as_uri()
        self.client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or here)
        if not name:
            found = self.client.get_experiment_by_name(PROJECT)
            experiment = found.experiment_id if found else self.client.create_experiment(PROJECT)
            name = self.client.create_run(experiment, run_name=path.resolve().name).info.run_id
            self.client.log_batch(name, params=[Param(key, str(value)[:500]) for key, value in config.items()])
        self.name = name
        self.client.update_run(name, status="RUNNING")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(key.replace("@", "_at_"), value, 0, step) for key, value in values.items()]
        self.client.log_batch(self.name, metrics=metrics)

    def close(self) -> None:
        self.client.set_terminated(self.name)


TRACKERS: dict[str, Callable[[Path, str, Mapping[str, Any]], Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _WandB,
    "mlflow": _MLflow,
}


def named(log: str | None) -> tuple[str, ...]:
    """The trackers of `--log`. Unfit for a word that is none, and for one whose package is missing."""
    names = tuple(dict.fromkeys(word.strip() for word in (log or "").split(",") if word.strip()))
    for name in names:
        if name not in TRACKERS:
            raise Unfit(f"--log {name!r} is no tracker{nearest(name, TRACKERS)}")
        if find_spec(name) is None:
            raise Unfit(f'--log {name}: the package is not installed: pip install {name}, or "kontrast[log]" for all.')
    return names


class Bridge:
    """Rows of a run's log to its trackers, each row once, however often the run is interrupted."""

    def __init__(self, folder: Folder, log: str | None, say: Callable[[str], None]) -> None:
        """What the log of a resumed run has and a tracker does not is sent at once."""
        self.path, self.say = folder.path, say
        self.open: dict[str, Tracker] = {}
        self.kept = _read(folder.path / KEPT)
        names = named(log)
        if not names:
            return
        for setting, value in QUIET.items():
            os.environ.setdefault(setting, value)
        config = folder.config()
        for name in names:
            called = str(self.kept.get(name, {}).get("name", ""))
            if made := self._tried(name, TRACKERS[name], self.path, called, config):
                self.open[name] = made
                self.kept.setdefault(name, {"step": -1, "rows": 0})["name"] = made.name
        for row in folder.rows():
            self._send(row)
        self._keep()

    def send(self, row: Mapping[str, Any]) -> None:
        """One row, with its step; what is no number is left out."""
        if self.open:
            self._send(row)
            self._keep()

    def close(self) -> None:
        """The run has ended, or will go on another time."""
        for name, tracker in self.open.items():
            self._tried(name, tracker.close)
        self.open = {}

    def _send(self, row: Mapping[str, Any]) -> None:
        step = int(row["step"])
        values = {key: float(value) for key, value in row.items() if key != "step" and _number(value)}
        for name, tracker in list(self.open.items()):
            if self._new(name, step) and self._tried(name, _written, tracker, step, values) is None:
                del self.open[name]

    def _new(self, name: str, step: int) -> bool:
        """Whether a tracker has not had this row: rows come in the same order again after a resume."""
        had = self.kept[name]
        if step != had.get("at"):
            had["at"], had["seen"] = step, 0
        had["seen"] += 1
        if (step, had["seen"]) <= (had["step"], had["rows"]):
            return False
        had["step"], had["rows"] = step, had["seen"]
        return True

    def _tried(self, name: str, call: Callable[..., Any], *given: Any) -> Any:
        """What the call gives; None where the tracker failed, which is said and costs the run nothing."""
        try:
            return call(*given)
        except Exception as problem:
            told = " ".join(f"{type(problem).__name__}: {problem}".split())[:200]
            self.say(f"--log {name}: {told}. The run goes on without it; log.jsonl has everything.")
            return None

    def _keep(self) -> None:
        kept = {name: {key: had[key] for key in ("name", "step", "rows")} for name, had in self.kept.items()}
        with suppress(OSError):  # a full disk costs the note, not the run
            files.write(self.path / KEPT, json.dumps(kept, indent=2) + "\n")


def _written(tracker: Tracker, step: int, values: Mapping[str, float]) -> bool:
    tracker.write(step, values)
    return True


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        kept: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        return kept
    except (OSError, ValueError):
        return {}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
