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

from kontrast import methods
from kontrast.data.open import Source
from kontrast.distributed import gather, processes
from kontrast.errors import Unfit
from kontrast.methods.supervised import supervised
from kontrast.modalities import registry
from kontrast.modalities.modality import Samples
from kontrast.recipes.resolve import Plan, complete
from kontrast.run import chunking
from kontrast.run.plan import announce, planned_on
from kontrast.run.result import Run
from kontrast.run.trainer import Ready, Trainer
from kontrast.settings import NAMES, Settings, from_environment, from_mapping
from kontrast.training import checkpoints
from kontrast.training.loop import Row
from kontrast.training.run_folder import Folder, environment

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
    requested = from_mapping(settings, "train()")
    with processes.joined(), ExitStack() as held:
        if not processes.first():
            say, show = _silent, None
        with processes.all_or_none() as same:
            ready: Ready | Run
            if resume is not None:
                ready = _resumed(Path(resume), requested, say, held)
            else:
                begin = Beginning(data, requested, config, weights_from, dry_run)
                ready = _begun(begin, say, held)
            same.append(ready.what())
        if isinstance(ready, Run):
            return ready
        return Trainer(ready, say, show).run()


@dataclass
class Beginning:
    """A new run as the user asked for it; the arguments of `train`."""

    data: Any
    requested: Settings
    config: str | Path | None
    weights_from: str | Path | None
    dry_run: bool


def _begun(begin: Beginning, say: Say, held: ExitStack) -> Ready | Run:
    """held: lets the run folder go, however the run ends."""
    data, weights_from = begin.data, begin.weights_from
    below = from_environment()
    if begin.config is not None:
        data, below = _from_file(Path(begin.config), data, below)
        weights_from = weights_from or yaml.safe_load(Path(begin.config).read_text()).get("from")
    requested = begin.requested.over(below)
    if data is None:
        raise Unfit("train needs data: a folder of pictures, a table, or 'digits'.")
    name = requested.method or "simclr"
    if processes.restarted() and (again := _interrupted(requested.out, name)):
        return _resumed(again, Settings(), say, held)
    plan, samples = planned_on(data, requested, weights_from)
    announce(plan, samples, say)
    if begin.dry_run:
        return Run(None, plan, "dry run", {}, None)
    ready = put_together(plan, samples, weights_from)
    if processes.first():
        ready.folder = held.enter_context(
            Folder.create(Path(requested.out) if requested.out else _free(Path("runs"), name))
        )
        written = complete(plan, _lasting(data, samples.source))
        ready.folder.write_json("environment.json", environment())
        ready.folder.write_yaml(
            "config.yaml", written | ({} if weights_from is None else {"from": _lasting(weights_from)})
        )
    return ready


def put_together(plan: Plan, samples: Samples, weights_from: str | Path | None) -> Ready:
    """The encoder, the batches' maker and the method of a plan; Unfit where they cannot be cut as it says."""
    opened = registry.of_method(plan.settings.method).open(plan, samples, weights_from)
    made_by, _ = methods.load(plan.settings.method)
    made = made_by(opened.encoder, opened.encoder.width, plan.config, seed=plan.settings.seed)
    chunking.checked(made, plan.settings)
    source = samples.source
    scored, grouped = source.kind == "scored_pairs", source.groups is not None
    method = supervised(made, plan.settings.method, scored=scored, grouped=grouped)
    return Ready(None, plan, samples, opened, method)


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


def _resumed(path: Path, requested: Settings, say: Say, held: ExitStack) -> Ready | Run:
    folder = held.enter_context(Folder.open(path)) if processes.first() else None
    data, written = _from_file(path / "config.yaml", None, Settings())
    changed = [
        name for name, value in requested.requested().items() if name != "out" and value != getattr(written, name)
    ]
    if changed:
        told = ", ".join(f"{name} {getattr(requested, name)} (was {getattr(written, name)})" for name in changed)
        raise Unfit(
            f"--resume goes on with the same run, but these differ: {told}. A new run from old weights: --from."
        )
    began = yaml.safe_load((path / "config.yaml").read_text()).get("from")
    plan, samples = planned_on(data, written, began)
    if (path / "summary.json").exists():
        say(f"{path} is finished already; nothing to do.")
        return Run(path, plan, "done", yaml.safe_load((path / "summary.json").read_text()), registry.load(path))
    ready = put_together(plan, samples, began)
    ready.folder = folder
    try:
        tensors, kept, refused = checkpoints.newest(path / "checkpoints")
    except FileNotFoundError as problem:
        say(f"{problem} Starting this run from its beginning.")
        if folder:
            folder.cut_log(0)
        return ready
    for sentence in refused:
        say(sentence)
    if kept["data"] != samples.source.fingerprint:
        raise Unfit(f"{data} has changed since this run began, so it cannot go on as the same run. Start a new one.")
    if folder:
        folder.cut_log(kept["step"])
    say(f"resume   {path} at step {kept['step']}")
    before, now = kept.get("processes", 1), gather.processes()
    if before != now:
        say(
            f"         saved by {_count(before)}, going on with {_count(now)}: batches, order, views, loss and "
            "gradient stay those of the joined batch; sums are added up in another order, so the last bits differ"
        )
    ready.start = (tensors, kept)
    return ready


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
