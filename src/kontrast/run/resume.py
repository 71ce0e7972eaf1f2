"""`kontrast train --resume RUN`: go on with the same run, or say what keeps it from being the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from kontrast.distributed import gather, processes
from kontrast.errors import Unfit
from kontrast.modalities import registry
from kontrast.recipes.resolve import from_file
from kontrast.run import outside, precheck
from kontrast.run.plan import planned_on
from kontrast.run.ready import Ready, put_together, steps
from kontrast.run.result import Run
from kontrast.settings import Settings
from kontrast.training import checkpoints, signals, trackers
from kontrast.training.run_folder import Folder
from kontrast.verify import contract

FREE = ("max_minutes", "checkpoint_every", "workers", "log")  # may be said anew: every bit stays
PLACES = ("data",)  # of config.yaml; what lies there is compared by its content


def refuse_beside(others: Mapping[str, bool]) -> None:
    """Unfit where a flag stands beside --resume that is for new runs."""
    for flag, given in others.items():
        if given:
            raise Unfit(f"--resume goes on with a run as it was begun; {flag} is for a new one. Leave one of them out.")


def resumed(
    data: Any,
    requested: Settings,
    run: str | Path,
    *,
    say: Callable[[str], None],
    held: ExitStack,
    came: signals.Signals,
) -> Ready | Run:
    """The run, ready from its last checkpoint; or as it is, if there is nothing to do.

    data  None, or where the data of this run lie now
    """
    path = precheck.path(run, "--resume")
    folder = held.enter_context(Folder.open(path)) if processes.first() else None
    came.run = path
    written = from_file(path / "config.yaml", "--resume")
    begun = outside.gone_on_with(path, written.settings, written.method_sha256, requested)
    _unchanged(requested, begun, path)
    begun = replace(
        begun, survey=begun.survey is not False
    )  # what was begun before there was a choice had all surveyed
    for line in contract.admitted(begun.method or "simclr"):
        say(line)
    kept, refused = None, list[str]()
    try:
        tensors, kept, refused = checkpoints.newest(path / "checkpoints")
        _unedited(kept, path)
    except FileNotFoundError as problem:
        refused = [f"{problem} Starting this run from its beginning."]
    free = Settings(**{name: getattr(requested, name) for name in FREE})
    trackers.named(free.over(begun).log)
    moved = isinstance(data, str | Path) and written.data not in (str(data), str(Path(data).resolve()))
    try:
        began = written.weights_from
        plan, samples = planned_on(written.data if data is None else data, free.over(begun), began)
    except Unfit as problem:
        raise (
            Unfit(f"--resume {path} goes on with {written.data}, and not with {data}: {problem}") if moved else problem
        ) from None
    if kept is None and moved:
        raise Unfit(f"--resume {path} goes on with {written.data}; {data} is other data. Leave DATA out.")
    if kept is not None and kept.get("data") != samples.source.fingerprint:
        raise Unfit(
            f"{written.data if data is None else data} is not what this run began with: it has changed, or is other "
            "data, so this cannot go on as the same run. Start a new one."
        )
    _, whole = steps(plan, samples)
    if kept is not None:
        _fits(kept, path, plan_steps=whole)
    if (ended := _ended(path)) is not None:
        if ended["steps"] >= whole:
            say(f"{path} is finished already; nothing to do.")
            return Run(path, plan, "done", ended, registry.load(path))
        if requested.max_minutes is None:
            say(
                f"{path} was ended by --max-minutes after step {ended['steps']:,} of {whole:,}, and has its model and "
                f"report. To train on: kontrast train --resume {quote(str(path))} --max-minutes 60"
            )
            return Run(path, plan, "time", ended, registry.load(path))
        if folder:
            (path / "summary.json").unlink()  # what it says is of the earlier end
    for sentence in refused:
        say(sentence)
    ready = put_together(plan, samples, written.weights_from)
    ready.folder = folder
    if folder and (lines := folder.cut_log(kept["step"] if kept else -1)):
        say(f"log.jsonl: {lines} lines cannot be read and are left out.")
    if kept is None:
        return ready
    say(f"resume   {path} at step {kept['step']}")
    before, now = kept.get("processes", 1), gather.processes()
    if before != now:
        say(
            f"         saved by {_count(before)}, going on with {_count(now)}: batches, order, views, loss and "
            "gradient stay those of the joined batch; sums are added up in another order, so the last bits differ"
        )
    ready.start = (tensors, kept)
    return ready


def _unchanged(requested: Settings, written: Settings, path: Path) -> None:
    """Unfit where words beside --resume would make it another run."""
    out = requested.out
    if out is not None and Path(out).resolve() != path.resolve():
        raise Unfit(f"--resume {path} goes on in its own folder; leave --out {out} out.")
    changed = [
        f"{name} {value} (was {getattr(written, name)})"
        for name, value in requested.requested().items()
        if name not in ("out", *FREE) and value != getattr(written, name)
    ]
    if changed:
        raise Unfit(
            f"--resume goes on with the same run, but these differ: {', '.join(changed)}. A new run from old weights: "
            "--from."
        )


def _unedited(kept: Mapping[str, Any], path: Path) -> None:
    """Unfit where config.yaml says another run than the checkpoint does. An old checkpoint does not say."""
    then = kept.get("config")
    if then is None:
        return
    differ = list(_differences(then, configuration(Folder.read_config(path))))
    if differ:
        raise Unfit(
            f"{path / 'config.yaml'} was changed since this run began: {', '.join(differ)}. Put it back to go on; a "
            "new run with other settings: --config."
        )


def configuration(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a config.yaml holds that decides a bit of the run, as a checkpoint keeps it."""
    kept: dict[str, Any] = json.loads(json.dumps({k: v for k, v in content.items() if k not in (*FREE, *PLACES)}))
    return kept


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    for name in {**then, **now}:
        before, after = then.get(name), now.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{inside}{name} ")
        elif before != after:
            yield f"{inside}{name} {after} (was {before})"


def _fits(kept: Mapping[str, Any], path: Path, plan_steps: int) -> None:
    """Unfit where a checkpoint, whole as it is, is of no step of this run."""
    loop, watch = kept.get("loop"), kept.get("watch")
    if not isinstance(loop, dict) or not isinstance(watch, dict) or loop.get("step") != kept["step"]:
        raise misfit(path, kept["step"], "it does not say where the run stood")
    if kept["step"] > plan_steps:
        raise misfit(path, kept["step"], f"the run has {plan_steps:,} steps")


def misfit(path: Path, step: int, why: str) -> Unfit:
    """What is said of a checkpoint that no run like this one wrote."""
    name = checkpoints.named(path / "checkpoints", step)
    return Unfit(f"{name} does not fit this run: {why}. Delete it, and --resume takes the one before.")


def _ended(path: Path) -> dict[str, Any] | None:
    """The summary of a run that ended; None where there is none, or none that can be read."""
    try:
        found = json.loads((path / "summary.json").read_text(encoding="utf-8"))
        return found if isinstance(found["steps"], int) and (path / "model").is_dir() else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _count(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"
