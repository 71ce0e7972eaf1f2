"""A plan carried out: the pieces put together, trained, and what the run leaves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from kontrast.run import chunking
from kontrast.modalities.images import report
from kontrast import methods
from kontrast.modalities.images.batches import advice
from kontrast.errors import Failed
from kontrast.modalities.modality import Kit
from kontrast.methods.method import Group
from kontrast.modalities.images.model import Model
from kontrast.distributed import gather
from kontrast.modalities.modality import Parts
from kontrast.recipes.resolve import Plan
from kontrast.settings import Settings
from kontrast.training import checkpoints, malloc, optimizers, schedules, nonfinite
from kontrast.distributed import processes
from kontrast.training.best_weights import Best
from kontrast.training.scored_pairs import together
from kontrast.training.loop import Course, Row, State, fit
from kontrast.training.run_folder import Folder
from kontrast.training.watch import Watch, retrieval_at_1
from kontrast.run.result import Run, Start
from kontrast.training.signals import _signals
from kontrast.run.failure import save_batch

CORES = os.cpu_count() or 1






def carry_out(
    folder: Folder | None,
    plan: Plan,
    parts: Parts,
    kit: Kit,
    *,
    say: Callable[[str], None],
    show: Callable[[Row, int], None] | None,
    start: Start | None,
) -> Run:
    """Build, train from `start` or from the beginning, then evaluate and write what a run leaves."""
    s, began = plan.settings, time.monotonic()
    malloc.kept()
    assert s.batch_size and s.epochs and s.lr and s.method
    assert s.precision and s.optimizer and s.weight_decay is not None and s.warmup is not None and s.seed is not None
    encoder = kit.encoder
    beginning = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    made_by, _ = methods.load(s.method)
    method = made_by(encoder, encoder.width, plan.config, seed=s.seed).to(
        parts.device, memory_format=torch.channels_last
    )
    if start is not None:  # before the batches are made: a locked tower reads with these weights
        weights = {k.removeprefix("method."): v for k, v in start[0].items() if k.startswith("method.")}
        method.load_state_dict(weights)
    per_epoch = len(parts.train_ids) // s.batch_size
    steps = per_epoch * s.epochs
    batches = kit.batches(parts.source, parts.train_ids, s.batch_size, s.seed, steps, training=True)
    for line in (*getattr(encoder, "said", ()), getattr(batches, "said", "")):
        if line:
            say(f"         {line}")
    groups: list[Group] = method.parameter_groups()
    optimizer = optimizers.named(groups, s.optimizer, lr=s.lr, weight_decay=s.weight_decay)
    course_of_rate = schedules.named(
        s.schedule or "cosine", steps, warmup=round(s.warmup * per_epoch), per_epoch=per_epoch
    )
    course = Course(
        steps, per_epoch, s.lr, course_of_rate, s.precision,
        log_every=max(1, min(50, steps // 50)), save_seconds=60 * (s.checkpoint_every or 5),
        stop_seconds=60 * (s.max_minutes or float("inf")), evaluate_every=s.evaluate_every or 0,
    )  # fmt: skip
    size, keep = chunking.sizes(method, batches(0), s, parts.device)
    if s.chunk is not None:
        if folder and s.chunk == "auto":
            folder.write_yaml("config.yaml", folder.config() | {"chunk": str(size)})
        say(f"chunks   {chunking.told(size, keep)}")
    state, watch, best = State(), Watch(steps), Best()
    if start is not None:
        tensors, kept = start
        optimizers.restore(optimizer, groups, {k: v for k, v in tensors.items() if k.startswith("optimizer.")})
        state, watch = State(**kept["loop"]), Watch(steps, **kept["watch"])
        best = Best.restored(tensors, kept.get("best", {}))

    waits: list[float] = []

    def log(row: Row) -> None:
        waits.extend(value for name, value in row.items() if name == "data_wait")
        if folder:
            folder.log(row)
        if show:
            show(row, steps)
        if "loss" in row and (told := watch.warning(state.step)):
            say(f"step {state.step}: {told}")

    def save() -> None:
        if folder is None:
            return
        tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
        tensors |= optimizers.tensors(optimizer, groups) | best.tensors()
        kept = {"step": state.step, "loop": vars(state), "watch": watch.state(), "data": parts.source.fingerprint,
                "processes": gather.processes(), "best": best.state()}  # fmt: skip
        try:
            checkpoints.save(folder.path / "checkpoints", tensors, kept)
        except OSError as problem:
            say(f"The checkpoint of step {state.step} could not be written ({problem}); going on, trying again later.")

    def each_epoch(epoch: int) -> None:
        here, there = parts.source, parts.check  # judged pairs are no positives, and not all are decided
        if there is not None and (there.kind, "similar" in there.columns) == (here.kind, "similar" in here.columns):
            row = held_out_row(method, parts, s, kit, steps=steps)
            log({"step": state.step, "epoch": epoch, **row})

    def evaluate() -> None:
        assert parts.check is not None
        name, score = kit.score(kit.model(method.encoder), parts.check, parts.check_ids)
        best.look(score, state.step, method.encoder.state_dict())
        log({"step": state.step, "epoch": state.step / per_epoch, f"held_out_{name}": score})
        say(f"step {state.step}: {name} {score:.4f} on {parts.check.name} (best {best.score:.4f} at step {best.step})")

    with _signals() as caught, chunking.cut(method, size, keep, s):
        try:
            ending = fit(method, batches, optimizer, groups, course, state, watch,
                         log=log, save=save, each_epoch=each_epoch, evaluate=evaluate,
                         stop=lambda: sum(caught[:1]))  # fmt: skip
        except Failed as problem:
            batch = batches(state.step)
            where = nonfinite.first_not_finite(method, batch, s.precision, parts.device)
            told = f"{problem} {where[:1].upper()}{where[1:]}." if where else str(problem)
            if folder is None:
                raise Failed(told) from None
            try:
                save_batch(folder.path, batch)
                batch_is = f"Its batch is in {folder.path / 'bad-batch.safetensors'}."
            except (OSError, SafetensorError) as unwritten:
                batch_is = f"Its batch could not be written ({unwritten})."
            raise Failed(
                f"{told} {batch_is} To see the step again, from the last checkpoint: "
                f"kontrast train --resume {folder.path}"
            ) from None
        (code,) = processes.largest(sum(caught[:1]))
    if parts.recipe and waits and (told := advice(float(np.mean(waits)), parts.source, s.workers or 0, CORES)):
        say(f"data     {told}")
    processes.leave()  # what is left to do, the first process does alone
    path = folder.path if folder else None
    if ending == "stopped":
        say(f"Stopped at step {state.step} of {steps} and saved. Go on with: kontrast train --resume {path}")
        return Run(path, plan, ending, {}, None, exit_code=int(code))
    if best.weights:
        say(f"best     the weights of step {best.step} are kept, those that scored highest on the held-out data")
        method.encoder.load_state_dict(best.weights)
    model = kit.model(method.encoder.eval())
    before = model.with_weights(beginning) if kit.learned else None
    summary = {
        "verdict": watch.verdict(state.step), "method": s.method, "steps": state.step,
        "seconds": round(time.monotonic() - began, 2),
        "samples_per_second": round(s.batch_size * state.step / (time.monotonic() - began), 1),
    }  # fmt: skip
    if folder:
        try:
            kit.leave(folder, model, before, summary, say)
        except (OSError, SafetensorError) as problem:
            raise Failed(
                f"The model cannot be written: {problem}. Make room; kontrast train --resume {folder.path} tries again."
            ) from problem
    return Run(path, plan, ending, summary, model, int(watch.collapsed(state.step)))


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
        mine = together(outcome.embeddings)
        found = retrieval_at_1(*(side[mine] for side in outcome.pair))
        rows.append((float(processes.summed(outcome.loss)), float(found)))
    method.train()
    loss, retrieval = np.mean(rows, axis=0)
    return {"held_out_loss": float(loss), "held_out_retrieval_at_1": float(retrieval)}


