"""`kontrast.train(...)`: begin a run, or go on with one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from kontrast import cutting
from kontrast.assembly import Run, Start, carry_out
from kontrast.data.sources import Source
from kontrast.errors import Unfit
from kontrast.kits import Kit, kit_of
from kontrast.model import load
from kontrast.negatives import across
from kontrast.planning import Parts, announce, planned_on
from kontrast.recipes.defaults import Plan, complete
from kontrast.settings import NAMES, Settings, from_environment, from_mapping
from kontrast.training import checkpoints, processes
from kontrast.training.loop import Row
from kontrast.training.record import Folder, environment

__all__ = ["Parts", "Run", "planned_on", "to_stderr", "train"]

Say: TypeAlias = Callable[[str], None]


def to_stderr(text: str) -> None:
    """Where words go when nobody else listens."""
    if processes.first():
        print(text, file=sys.stderr, flush=True)


def train(
    data: Any = None,
    *,
    resume: str | Path | None = None,
    config: str | Path | None = None,
    weights_from: str | Path | None = None,
    dry_run: bool = False,
    say: Say = to_stderr,
    show: Callable[[Row, int], None] | None = None,
    **settings: Any,
) -> Run:
    """Learn an embedding model from unlabelled data; the command line's `kontrast train` in Python.

    Args:
        data: what `kontrast.data.open_source` reads: a folder, a table, "digits", an array of pictures.
        resume: a run folder to go on with, to the same bits as if it had never stopped.
        config: a `config.yaml` to repeat; keyword arguments win over it.
        weights_from: a run or model folder whose encoder this run begins with.
        dry_run: print the plan and train nothing.
        say: takes each line that is said; standard error by default.
        show: takes each logged row and the number of steps.
        **settings: any field of `kontrast.Settings`.
    """
    said = from_mapping(settings, "train()")
    with processes.joined(), ExitStack() as held:
        if not processes.first():
            say, show = _silent, None
        with processes.all_or_none() as same:
            ready: Ready | Run
            if resume is not None:
                ready = _resumed(Path(resume), said, say, held)
            else:
                ready = _begun(data, said, config, weights_from, dry_run, say, held)
            same.append(ready.what())
        if isinstance(ready, Run):
            return ready
        return carry_out(ready.folder, ready.plan, ready.parts, ready.kit, say=say, show=show, start=ready.start)


@dataclass
class Ready:
    """All that is needed to train, from the beginning or from a checkpoint: (tensors, state)."""

    folder: Folder | None  # of the first process alone
    plan: Plan
    parts: Parts
    kit: Kit
    start: Start | None = None

    def what(self) -> str:
        """What all processes must agree about."""
        step = self.start[1]["step"] if self.start else 0
        return f"{complete(self.plan, '')} {self.parts.source.fingerprint} {step}"


def _begun(
    data: Any,
    said: Settings,
    config: str | Path | None,
    weights_from: str | Path | None,
    dry_run: bool,
    say: Say,
    held: ExitStack,
) -> Ready | Run:
    """held: lets the run folder go, however the run ends."""
    below = from_environment()
    if config is not None:
        data, below = _from_file(Path(config), data, below)
        weights_from = weights_from or yaml.safe_load(Path(config).read_text()).get("from")
    said = said.over(below)
    if data is None:
        raise Unfit("train needs data: a folder of pictures, a table, or 'digits'.")
    name = said.method or "simclr"
    if processes.restarted() and (again := _interrupted(said.out, name)):
        return _resumed(again, Settings(), say, held)
    plan, parts = planned_on(data, said)
    announce(plan, parts, say)
    if dry_run:
        return Run(None, plan, "dry run", {}, None)
    kit = kit_of(plan, parts, weights_from)
    cutting.checked(kit.encoder, plan.settings, plan.config)
    if not processes.first():
        return Ready(None, plan, parts, kit)
    folder = held.enter_context(Folder.create(Path(said.out) if said.out else _free(Path("runs"), name)))
    written = complete(plan, _lasting(data, parts.source))
    folder.write_json("environment.json", environment())
    folder.write_yaml("config.yaml", written | ({} if weights_from is None else {"from": _lasting(weights_from)}))
    return Ready(folder, plan, parts, kit)


def _interrupted(out: str | None, name: str) -> Path | None:
    """The run that torchrun starts again: the one in --out, else the last one begun under this name."""
    runs = Path("runs")
    path = Path(out) if out else runs / _names(name)[max(0, _names(name).index(_free(runs, name).name) - 1)]
    return path if (path / "config.yaml").is_file() else None


def _lasting(data: Any, source: Source | None = None) -> str:
    """The data as `config.yaml` names it: a path in full, so that the run can go on from anywhere."""
    if isinstance(data, (str, Path)):
        return str(Path(data).resolve()) if Path(data).exists() else str(data)
    return source.name if source else str(data)


def _resumed(path: Path, said: Settings, say: Say, held: ExitStack) -> Ready | Run:
    folder = held.enter_context(Folder.open(path)) if processes.first() else None
    data, written = _from_file(path / "config.yaml", None, Settings())
    changed = [name for name, value in said.said().items() if name != "out" and value != getattr(written, name)]
    if changed:
        told = ", ".join(f"{name} {getattr(said, name)} (was {getattr(written, name)})" for name in changed)
        raise Unfit(
            f"--resume goes on with the same run, but these differ: {told}. A new run from old weights: --from."
        )
    plan, parts = planned_on(data, written)
    if (path / "summary.json").exists():
        say(f"{path} is finished already; nothing to do.")
        return Run(path, plan, "done", yaml.safe_load((path / "summary.json").read_text()), load(path))
    kit = kit_of(plan, parts, yaml.safe_load((path / "config.yaml").read_text()).get("from"))
    try:
        tensors, kept, refused = checkpoints.newest(path / "checkpoints")
    except FileNotFoundError as problem:
        say(f"{problem} Starting this run from its beginning.")
        if folder:
            folder.cut_log(0)
        return Ready(folder, plan, parts, kit)
    for sentence in refused:
        say(sentence)
    if kept["data"] != parts.source.fingerprint:
        raise Unfit(f"{data} has changed since this run began, so it cannot go on as the same run. Start a new one.")
    if folder:
        folder.cut_log(kept["step"])
    say(f"resume   {path} at step {kept['step']}")
    before, now = kept.get("processes", 1), across.processes()
    if before != now:
        say(
            f"         saved by {_count(before)}, going on with {_count(now)}: batches, order, views, loss and "
            "gradient stay those of the joined batch; sums are added up in another order, so the last bits differ"
        )
    return Ready(folder, plan, parts, kit, (tensors, kept))


def _count(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def _from_file(path: Path, data: Any, below: Settings) -> tuple[Any, Settings]:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as problem:
        raise Unfit(f"--config {path} cannot be read: {problem}") from None
    if not isinstance(content, Mapping):
        raise Unfit(f"--config {path}: expected NAME: VALUE lines.")
    values = dict(content)
    written = values.pop("data", None)
    values.pop("from", None)
    method = values.pop("method", None)
    if isinstance(method, Mapping):
        own = dict(method)
        values["method"] = own.pop("name", None)
        flags = {name: own.pop(name) for name in list(own) if name in NAMES}
        values |= {"set": own, **{name: value for name, value in flags.items() if name not in values}}
    elif method is not None:
        values["method"] = method
    return data if data is not None else written, from_mapping(values, str(path)).over(below)


def _names(name: str) -> list[str]:
    return [name if n == 1 else f"{name}-{n}" for n in range(1, 10_000)]


def _free(parent: Path, name: str) -> Path:
    taken = set(os.listdir(parent)) if parent.is_dir() else set()
    return parent / next(free for free in _names(name) if free not in taken)


def _silent(text: str) -> None:
    """Only the first process speaks."""
