"""`kontrast.train(...)`: begin a run, or go on with one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml

from kontrast.assembly import Run, carry_out
from kontrast.data.sources import Source
from kontrast.errors import Unfit
from kontrast.kits import kit_of
from kontrast.model import load
from kontrast.planning import Parts, announce, planned_on
from kontrast.recipes.defaults import complete
from kontrast.settings import NAMES, Settings, from_environment, from_mapping
from kontrast.training import checkpoints, processes
from kontrast.training.loop import Row
from kontrast.training.record import Folder, environment

__all__ = ["Parts", "Run", "planned_on", "to_stderr", "train"]


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
    say: Callable[[str], None] = to_stderr,
    show: Callable[[Row, int], None] | None = None,
    **settings: Any,
) -> Run:
    """Learn an embedding model from unlabelled data; the command line's `kontrast train` in Python.

    data          what `kontrast.data.open_source` reads: a folder, a table, "digits", an array of pictures
    resume        a run folder to go on with, to the same bits as if it had never stopped
    config        a `config.yaml` to repeat; keyword arguments win over it
    weights_from  a run or model folder whose encoder this run begins with
    settings      any field of `kontrast.settings.Settings`
    """
    said = from_mapping(settings, "train()")
    if resume is not None:
        with Folder.open(Path(resume)) as opened:
            return _resumed(opened, said, say, show)
    below = from_environment()
    if config is not None:
        data, below = _from_file(Path(config), data, below)
        weights_from = weights_from or yaml.safe_load(Path(config).read_text()).get("from")
    said = said.over(below)
    if data is None:
        raise Unfit("train needs data: a folder of pictures, a table, or 'digits'.")
    plan, parts = planned_on(data, said)
    announce(plan, parts, say)
    if dry_run:
        return Run(None, plan, "dry run", {}, None)
    kit = kit_of(plan, parts, weights_from)
    out = Path(said.out) if said.out else _free(Path("runs"), plan.settings.method or "run")
    folder = Folder.create(out) if processes.first() else None
    if folder:
        written = complete(plan, _lasting(data, parts.source))
        folder.write_yaml("config.yaml", written | ({} if weights_from is None else {"from": _lasting(weights_from)}))
        folder.write_json("environment.json", environment())
    with folder or nullcontext():
        return carry_out(folder, plan, parts, kit, say=say, show=show, start=None)


def _lasting(data: Any, source: Source | None = None) -> str:
    """The data as `config.yaml` names it: a path in full, so that the run can go on from anywhere."""
    if isinstance(data, (str, Path)):
        return str(Path(data).resolve()) if Path(data).exists() else str(data)
    return source.name if source else str(data)


def _resumed(
    folder: Folder, said: Settings, say: Callable[[str], None], show: Callable[[Row, int], None] | None
) -> Run:
    path = folder.path
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
    kit = kit_of(plan, parts, folder.config().get("from"))
    try:
        tensors, kept, refused = checkpoints.newest(path / "checkpoints")
    except FileNotFoundError as problem:
        say(f"{problem} Starting this run from its beginning.")
        folder.cut_log(0)
        return carry_out(folder, plan, parts, kit, say=say, show=show, start=None)
    for sentence in refused:
        say(sentence)
    if kept["data"] != parts.source.fingerprint:
        raise Unfit(f"{data} has changed since this run began, so it cannot go on as the same run. Start a new one.")
    folder.cut_log(kept["step"])
    say(f"resume   {path} at step {kept['step']}")
    return carry_out(folder, plan, parts, kit, say=say, show=show, start=(tensors, kept))


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


def _free(parent: Path, name: str) -> Path:
    taken = set(os.listdir(parent)) if parent.is_dir() else set()
    return parent / next(free for n in range(1, 100_000) if (free := name if n == 1 else f"{name}-{n}") not in taken)
