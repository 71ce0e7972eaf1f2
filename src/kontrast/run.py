"""`kontrast.train(...)`: from data and words to a trained run folder. The one place where all rooms meet."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from kontrast import finish, methods
from kontrast.data.pictures import Ids
from kontrast.data.sources import Source, open_source
from kontrast.data.text_batches import ROLES
from kontrast.errors import Failed, Unfit
from kontrast.kits import Kit, kit_of
from kontrast.methods.method import Group, retrieval_at_1
from kontrast.model import Model, load
from kontrast.positives import papers
from kontrast.positives.images import Recipe
from kontrast.recipes.defaults import Facts, Plan, complete, planned
from kontrast.settings import NAMES, Settings, from_environment, from_mapping
from kontrast.training import checkpoints, optimizers, processes, schedules
from kontrast.training.loop import Course, Row, State, fit
from kontrast.training.record import Folder, environment
from kontrast.training.watch import Watch

HELD_OUT = 2_000  # samples at most that are kept back for the checks
LEAST_HELD_OUT = 10  # fewer say nothing
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def to_stderr(text: str) -> None:
    """Where words go when nobody else listens."""
    if processes.first():
        print(text, file=sys.stderr, flush=True)


@dataclass
class Run:
    """A run and what came of it. `exit_code`: 0 done, 1 collapsed, 130 or 143 stopped after saving."""

    path: Path | None
    plan: Plan
    ending: str
    summary: dict[str, Any]
    model: Model | None
    exit_code: int = 0

    def embed(self, data: Any) -> Any:
        """The learned encoder's vectors, (N, H) float32."""
        if self.model is None:
            raise ValueError(f"this run has no model: it ended as {self.ending!r}")
        return self.model.embed(data)


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
    _announce(plan, parts, say)
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
        return _run(folder, plan, parts, kit, say=say, show=show, start=None)


def _lasting(data: Any, source: Source | None = None) -> str:
    """The data as `config.yaml` names it: a path in full, so that the run can go on from anywhere."""
    if isinstance(data, (str, Path)):
        return str(Path(data).resolve()) if Path(data).exists() else str(data)
    return source.name if source else str(data)


@dataclass
class Parts:
    """What a plan is about to run on."""

    source: Source
    train_ids: Ids
    check: Source | None  # where the checks are made, on
    check_ids: Ids
    recipe: Recipe | None  # of views of pictures
    device: torch.device


def planned_on(data: Any, said: Settings) -> tuple[Plan, Parts]:
    """The complete plan for this data, and the parts it needs."""
    labels = said.labels if isinstance(said.labels, str) else None
    reads = methods.entry(said.method or "simclr").kind
    source = open_source(data, labels=labels, split=said.split, columns=said.columns, strict=bool(said.strict),
                         channels=3 if reads == "pairs" else said.channels, workers=said.workers)  # fmt: skip
    if reads == "pairs" and source.kind != "pairs":
        raise Unfit(f"{source.name} holds {source.kind}; {said.method} needs pictures with captions, such as a table.")
    if reads == "texts" and (source.kind not in ROLES or source.pictures is not None):
        raise Unfit(f"{source.name} holds {source.kind}; {said.method} needs sentences, or pairs or triplets of them.")
    check, check_ids, train_ids = _held_out(source, said)
    device = torch.device(said.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.set_num_threads(said.threads or torch.get_num_threads())
    fast_bf16 = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    facts = Facts(len(train_ids), _side(source), source.channels, device.type == "cuda", fast_bf16,
                  partners=source.kind in ("pairs", "triplets"))  # fmt: skip
    plan = planned(said.over(Settings(device=str(device), threads=torch.get_num_threads())), facts)
    s = plan.settings
    assert s.batch_size and s.views
    if s.batch_size > len(train_ids):
        raise Unfit(f"--batch-size {s.batch_size} is more than the {len(train_ids)} samples there are to train on.")
    recipe = None if reads == "texts" else papers.recipe(s.views, s.image_size or 0, s.channels or 0)
    return plan, Parts(source, train_ids, check, check_ids, recipe, device)


def _side(source: Source) -> int:
    """The shorter side of the typical picture, in pixels."""
    sides = [min(shape) for shape, many in source.shapes.items() for _ in range(many)]
    return int(np.median(sides)) if sides else min(source.size or (224, 224))


def _held_out(source: Source, said: Settings) -> tuple[Source | None, Ids, Ids]:
    """(where checks are made, its ids, ids to train on): other data, the data's own test split, or a part kept back."""
    if len(source.ids) < 2:
        raise Unfit(f"{source.name}: {len(source.ids)} usable sample; contrast needs at least 2.")
    if said.validate == "none":
        return None, source.ids[:0], source.ids
    if said.validate not in (None, "part"):
        other = open_source(said.validate, labels=said.labels, columns=said.columns)
        return other, other.ids, source.ids
    if "test" in source.splits and said.split != "test":
        test_ids = source.splits["test"]
        return source.split("test"), test_ids, np.setdiff1d(source.ids, test_ids)
    count = min(HELD_OUT, len(source.ids) // 10)
    if count < LEAST_HELD_OUT:
        return None, source.ids[:0], source.ids
    train_ids, held_ids = source.held_out(count, said.seed or 0)
    return source.part(held_ids, f"{len(held_ids)} held-out samples of {source.name}"), held_ids, train_ids


def _announce(plan: Plan, parts: Parts, say: Callable[[str], None]) -> None:
    """What was understood, before anything is done."""
    source = parts.source
    skipped = f", {len(source.skipped)} skipped" if source.skipped else ""
    say(f"data     {source.name}: {len(source.ids):,} {source.kind}{skipped}")
    for line in (*source.said, *(parts.recipe.said if parts.recipe else ())):
        say(f"         {line}")
    for _, name, reason in source.skipped[:5]:
        say(f"         skipped {name}: {reason}")
    say(f"recipe   {plan.recipe}; what differs from it and why:")
    for choice in plan.choices:
        if choice.published is not None and choice.value != choice.published:
            say(
                f"         {choice.name} {_short(choice.value)} (published {_short(choice.published)}): {choice.reason}"
            )
    chosen = plan.settings
    size = f" on {chosen.image_size} px" if chosen.image_size else ""
    say(
        f"plan     {chosen.encoder}{size}, {chosen.epochs} epochs, batch {chosen.batch_size}, "
        f"{chosen.optimizer} lr {_short(chosen.lr)}, "
        f"{f'temperature {chosen.temperature:g}, ' if chosen.temperature else ''}{chosen.precision}, {parts.device}"
    )


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _run(
    folder: Folder | None,
    plan: Plan,
    parts: Parts,
    kit: Kit,
    *,
    say: Callable[[str], None],
    show: Callable[[Row, int], None] | None,
    start: tuple[dict[str, Tensor], dict[str, Any]] | None,
) -> Run:
    """Build, train from `start` or from the beginning, then evaluate and write what a run leaves."""
    s, began = plan.settings, time.monotonic()
    assert s.batch_size and s.epochs and s.lr and s.method
    assert s.precision and s.optimizer and s.weight_decay is not None and s.warmup is not None and s.seed is not None
    encoder = kit.encoder
    beginning = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    made_by, _ = methods.load(s.method)
    method = made_by(encoder, encoder.width, plan.config, seed=s.seed).to(
        parts.device, memory_format=torch.channels_last
    )
    per_epoch = len(parts.train_ids) // s.batch_size
    steps = per_epoch * s.epochs
    batches = kit.batches(parts.source, parts.train_ids, s.batch_size, s.seed, steps, training=True)
    groups: list[Group] = method.parameter_groups()
    optimizer = optimizers.optimizer(groups, s.optimizer, lr=s.lr, weight_decay=s.weight_decay)
    course = Course(
        steps, per_epoch, s.lr, schedules.cosine(steps, warmup=round(s.warmup * per_epoch)), s.precision,
        log_every=max(1, min(50, steps // 100)), save_seconds=60 * (s.checkpoint_every or 5),
        stop_seconds=60 * (s.max_minutes or float("inf")),
    )  # fmt: skip
    state, watch = State(), Watch(steps)
    if start is not None:
        tensors, kept = start
        method.load_state_dict({k.removeprefix("method."): v for k, v in tensors.items() if k.startswith("method.")})
        optimizers.restore(optimizer, groups, {k: v for k, v in tensors.items() if k.startswith("optimizer.")})
        state, watch = State(**kept["loop"]), Watch(steps, **kept["watch"])

    def log(row: Row) -> None:
        if folder:
            folder.log(row)
        if show:
            show(row, steps)

    def save() -> None:
        if folder is None:
            return
        tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
        tensors |= optimizers.tensors(optimizer, groups)
        kept = {"step": state.step, "loop": vars(state), "watch": watch.state(), "data": parts.source.fingerprint}
        try:
            checkpoints.save(folder.path / "checkpoints", tensors, kept)
        except OSError as problem:
            say(f"The checkpoint of step {state.step} could not be written ({problem}); going on, trying again later.")

    def each_epoch(epoch: int) -> None:
        if parts.check is not None:
            row = held_out_row(method, parts, s, kit, steps=steps)
            log({"step": state.step, "epoch": epoch, **row})

    with _signals() as caught:
        try:
            ending = fit(method, batches, optimizer, groups, course, state, watch,
                         log=log, save=save, each_epoch=each_epoch, stop=lambda: bool(caught))  # fmt: skip
        except Failed as problem:
            if folder is None:
                raise
            finish.save_batch(folder.path, batches(state.step))
            raise Failed(f"{problem} The batch is in {folder.path / 'bad-batch.safetensors'}.") from None
    if ending == "stopped":
        assert folder is not None
        say(f"Stopped at step {state.step} of {steps} and saved. Go on with: kontrast train --resume {folder.path}")
        return Run(folder.path, plan, ending, {}, None, exit_code=next(iter(caught)))
    model = kit.model(method.encoder.eval())
    before = model.with_weights(beginning) if kit.learned else None
    summary = {
        "verdict": watch.verdict(state.step), "method": s.method, "steps": state.step,
        "seconds": round(time.monotonic() - began, 2),
        "samples_per_second": round(s.batch_size * state.step / (time.monotonic() - began), 1),
    }  # fmt: skip
    if folder:
        kit.leave(folder, model, before, summary, say)
    return Run(folder.path if folder else None, plan, ending, summary, model, int(watch.collapsed(state.step)))


@torch.no_grad()
def held_out_row(method: Any, parts: Parts, settings: Settings, kit: Kit, *, steps: int) -> Row:
    """Loss and retrieval on samples that training never sees, in batches of the training size."""
    assert parts.check is not None and settings.batch_size and settings.seed is not None
    size = min(settings.batch_size, len(parts.check_ids))
    batches = kit.batches(parts.check, parts.check_ids, size, settings.seed + 1, steps, training=False)
    method.train(kit.masks)
    rows = []
    for number in range(len(parts.check_ids) // size):
        outcome = method.compare(method.embed(batches(number)).joined())
        rows.append((float(processes.summed(outcome.loss)), float(retrieval_at_1(*outcome.pair))))
    method.train()
    loss, retrieval = np.mean(rows, axis=0)
    return {"held_out_loss": float(loss), "held_out_retrieval_at_1": float(retrieval)}


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
        return _run(folder, plan, parts, kit, say=say, show=show, start=None)
    for sentence in refused:
        say(sentence)
    if kept["data"] != parts.source.fingerprint:
        raise Unfit(f"{data} has changed since this run began, so it cannot go on as the same run. Start a new one.")
    folder.cut_log(kept["step"])
    say(f"resume   {path} at step {kept['step']}")
    return _run(folder, plan, parts, kit, say=say, show=show, start=(tensors, kept))


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


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that holds the exit code once SIGINT or SIGTERM came; the loop saves and ends after the step."""
    caught: list[int] = []
    before = {}
    try:
        for number, code in SIGNALS.items():
            before[number] = signal.signal(number, lambda *_, code=code: caught.append(code))
    except ValueError:
        pass  # not the main thread: the host program keeps its own handlers
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free(parent: Path, name: str) -> Path:
    taken = set(os.listdir(parent)) if parent.is_dir() else set()
    return parent / next(free for n in range(1, 100_000) if (free := name if n == 1 else f"{name}-{n}") not in taken)
