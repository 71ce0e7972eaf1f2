"""`kontrast.train(...)`: begin a run, or go on with one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from kontrast import methods
from kontrast.data.open import Source
from kontrast.distributed import processes
from kontrast.errors import Interrupted, Unfit
from kontrast.recipes.resolve import complete, from_file
from kontrast.run import outside, precheck
from kontrast.run.plan import announce, planned_on
from kontrast.run.ready import Ready, put_together
from kontrast.run.result import Run
from kontrast.run.resume import refuse_beside, resumed
from kontrast.run.trainer import Trainer
from kontrast.settings import Settings, from_environment, from_mapping
from kontrast.training import signals
from kontrast.training.loop import Row
from kontrast.training.run_folder import Folder, environment, refuse_taken
from kontrast.verify import contract

Say: TypeAlias = Callable[[str], None]


def to_stderr(text: str) -> None:
    """Where words go when nobody else listens."""
    if processes.first():
        with suppress(OSError):
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
    requested = from_mapping(settings, "train()")
    with signals.caught("reading the data") as came, processes.joined(), ExitStack() as held:
        if not processes.first():
            say, show = _silent, None
        with processes.all_or_none() as same:
            ready: Ready | Run
            if resume is not None:
                others = {"--config": config is not None, "--from": weights_from is not None, "--dry-run": dry_run}
                refuse_beside(others)
                ready = resumed(data, requested, resume, say=say, held=held, came=came)
            else:
                begin = Beginning(data, requested, config, weights_from, dry_run)
                ready = _begun(begin, say, held, came)
            same.append(ready.what())
        if isinstance(ready, Run):
            return ready
        try:
            return Trainer(ready, say, show, came).run()
        except Interrupted as stop:
            say(str(stop))
            return Run(came.run, ready.plan, "stopped", {}, exit_code=stop.exit_code)


@dataclass
class Beginning:
    """A new run as the user asked for it; the arguments of `train`."""

    data: Any
    requested: Settings
    config: str | Path | None
    weights_from: str | Path | None
    dry_run: bool


def _begun(begin: Beginning, say: Say, held: ExitStack, came: signals.Signals) -> Ready | Run:
    """held: lets the run folder go, however the run ends."""
    data, weights_from, below = begin.data, begin.weights_from, from_environment()
    precheck.words(begin.requested)
    if begin.config is not None:
        written = from_file(precheck.path(begin.config, "--config"), "--config")
        data = written.data if data is None else data
        weights_from, below = weights_from or written.weights_from, written.settings.over(below)
    requested = begin.requested.over(below)
    if data is None:
        raise Unfit("train needs data: a folder of pictures, a table, or 'digits'.")
    name = requested.method or "simclr"
    outside.refuse_unnamed(requested.method, begin.requested.method, str(begin.config or "KONTRAST_METHOD"))
    for line in contract.admitted(name):
        say(line)
    called = found.name if (found := methods.entry(name).outside) else name
    if processes.restarted() and (again := _interrupted(requested.out, called)):
        named = Settings(method=begin.requested.method) if found else Settings()
        return resumed(None, named, again, say=say, held=held, came=came)
    out = Path(requested.out) if requested.out else _free(Path("runs"), called)
    if processes.first():
        refuse_taken(out)
    precheck.before_reading(requested, weights_from)
    plan, samples = planned_on(data, requested, weights_from)
    announce(plan, samples, say)
    ready = put_together(plan, samples, weights_from)
    if begin.dry_run:
        return Run(None, plan, "dry run", {}, None)
    if processes.first():
        with came.noted():
            ready.folder = held.enter_context(Folder.create(out))
            ready.folder.write_json("environment.json", environment())
            beside = {} if weights_from is None else {"from": _lasting(weights_from)}
            ready.folder.write_yaml("config.yaml", complete(plan, _lasting(data, samples.source)) | beside)
            if plan.entry.outside:
                ready.folder.write_text(outside.KEPT, plan.entry.outside.text)
            came.run = out
    return ready


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


def _names(name: str) -> list[str]:
    return [name if n == 1 else f"{name}-{n}" for n in range(1, 10_000)]


def _free(parent: Path, name: str) -> Path:
    taken = set(os.listdir(parent)) if parent.is_dir() else set()
    return parent / next(free for free in _names(name) if free not in taken)


def _silent(text: str) -> None:
    """Only the first process speaks."""
