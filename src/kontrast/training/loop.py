"""The only loop. It knows no method: it asks `embed`, `compare`, `after_step`, and keeps the books in between.

One step, for any number of processes:

    batch -> embed (autocast) -> joined rows of all processes -> compare (fp32) -> backward -> sum over processes
          -> optimizer -> after_step -> watch and log

A step is a function of (weights, optimizer state, step number): batches, views and draws are keyed, never remembered.
So a run that was killed goes on with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from kontrast import keyed
from kontrast.distributed import gather, processes
from kontrast.methods.method import Batch, Group, Method, Outcome, Progress
from kontrast.training import optimizers
from kontrast.training.watch import Watch

GROW_AFTER = 2000  # steps without overflow after which fp16's loss scale is doubled; torch.amp.GradScaler's default


class Batches(Protocol):
    """`batches(step)` gives the batch of a step, a pure function of the step.

    waited    seconds spent on it so far;  messages  what a user should hear about them before the start
    """

    waited: float
    messages: tuple[str, ...]

    def __call__(self, step: int) -> Batch: ...


@dataclass(frozen=True)
class Course:
    """The run as planned.

    steps             optimizer steps in all;  per_epoch  of them in an epoch
    lr                peak learning rate;  schedule  step -> factor on it
    precision         fp32, bf16 or fp16 for the encoder and head; comparing is fp32 or wider always
    log_every         steps between log lines
    save_seconds      time between checkpoints inside an epoch;  stop_seconds  time after which the run ends cleanly
    evaluate_every    steps between calls of `evaluate`, which is also called after the last; 0: never
    """

    steps: int
    per_epoch: int
    lr: float
    schedule: Callable[[int], float]
    precision: str = "fp32"
    log_every: int = 10
    save_seconds: float = 300.0
    stop_seconds: float = float("inf")
    evaluate_every: int = 0


@dataclass
class State:
    """What the loop itself must remember between steps; in every checkpoint."""

    step: int = 0
    loss_scale: float = 65536.0  # only used under fp16, as is the next
    good_steps: int = 0  # without an overflow, since the scale was last changed


Row = dict[str, float]


@dataclass
class Training:
    """What the loop works on: a method with its optimizer, the batches, and where the run stands."""

    method: Method
    batches: Batches
    optimizer: torch.optim.Optimizer
    groups: list[Group]
    course: Course
    state: State
    watch: Watch


class Books(Protocol):
    """Who keeps the books of a run; the loop calls these between steps.

    log         receives one row of numbers every `log_every` steps
    save        writes a checkpoint; called each epoch, every `save_seconds`, and before a stop
    each_epoch  called with the number of epochs done
    evaluate    called every `evaluate_every` steps, before a checkpoint of the same step
    stop        asked after every step; an exit code other than 0 saves and ends the run (signals)
    """

    def log(self, row: Row) -> None: ...
    def save(self) -> None: ...
    def each_epoch(self, epoch: int) -> None: ...
    def evaluate(self) -> None: ...
    def stop(self) -> int: ...


def fit(training: Training, books: Books) -> str:
    """Train from `state.step` to `course.steps`; returns "done", "time" or "stopped"."""
    method, optimizer, groups = training.method, training.optimizer, training.groups
    batches, course, state = training.batches, training.course, training.state
    device = next(iter(method.parameters())).device
    began = saved = lap = time.monotonic()
    waited, lap_step = batches.waited, state.step
    while state.step < course.steps:
        batch = batches(state.step)
        rate = course.lr * course.schedule(state.step)
        optimizers.set_rate(optimizer, groups, rate)
        outcome = one_step(method, batch, optimizer, groups, state, course.precision, device)
        state.step += 1
        method.after_step(outcome, Progress(state.step, course.steps))

        now = time.monotonic()
        if state.step % course.log_every == 0 or state.step in (1, course.steps):
            seconds, samples = now - lap, len(outcome.embeddings.ids_B) * (state.step - lap_step)
            row = training.watch.look(outcome) | {
                "step": state.step,
                "epoch": state.step / course.per_epoch,
                "lr": rate,
                "samples_per_second": samples / seconds,
                "data_wait": (batches.waited - waited) / seconds,
            }
            books.log(row)
            lap, lap_step, waited = time.monotonic(), state.step, batches.waited
        if course.evaluate_every and (state.step % course.evaluate_every == 0 or state.step == course.steps):
            books.evaluate()
        epoch_ends = state.step % course.per_epoch == 0 or state.step == course.steps
        if epoch_ends:
            books.each_epoch(-(-state.step // course.per_epoch))
        ends, timed_out, due = processes.largest(
            books.stop(), now - began > course.stop_seconds, now - saved > course.save_seconds
        )
        if epoch_ends or ends or timed_out or due:
            books.save()
            saved = time.monotonic()
        if state.step < course.steps and (ends or timed_out):
            return "stopped" if ends else "time"
    return "done"


def one_step(
    method: Method,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    groups: list[Group],
    state: State,
    precision: str,
    device: torch.device,
) -> Outcome:
    """One optimizer step; stops in words when the loss or a gradient is not a number."""
    with autocast(precision, device), keyed.lent(device, "step", batch.seed, batch.step, gather.rank()):
        embeddings = method.embed(batch)
    outcome = method.compare(embeddings.joined())
    loss = processes.summed(outcome.loss.detach())
    if not torch.isfinite(loss):
        raise processes.failed(f"The loss is {float(loss)} at step {batch.step}.")
    scale = state.loss_scale if precision == "fp16" else 1.0
    (outcome.loss * scale).backward()
    parameters = [p for group in groups for p in group.parameters if p.grad is not None]
    processes.sum_gradients(parameters)
    optimizers.drop_frozen(groups, batch.step)
    if finite := gradients_finite(parameters, scale):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if precision == "fp16":
        rescale(state, finite)
    if not finite and (precision != "fp16" or state.loss_scale < 1):
        raise processes.failed(
            f"A gradient is not finite at step {batch.step} ({precision}); the loss was {float(loss):.4g}."
        )
    return outcome


def rescale(state: State, finite: bool) -> None:
    """The next step's loss scale: halved by an overflow, doubled by `GROW_AFTER` good steps, as torch's GradScaler."""
    state.good_steps = state.good_steps + 1 if finite else 0
    if not finite:
        state.loss_scale /= 2
    elif state.good_steps == GROW_AFTER:
        state.loss_scale, state.good_steps = state.loss_scale * 2, 0


def gradients_finite(parameters: list[torch.nn.Parameter], scale: float) -> bool:
    """Undo the loss scale in place and say whether every gradient is finite."""
    gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
    if scale != 1.0:
        torch._foreach_mul_(gradients, 1.0 / scale)
    return bool(torch.isfinite(torch.stack(torch._foreach_norm(gradients, float("inf"))).sum()))


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The precision in which encoder and head run."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype={"bf16": torch.bfloat16, "fp16": torch.float16}[precision])
