"""One run, from its first step to its last: build, restore, run. What it leaves is `finish`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kontrast.data.messages import advice
from kontrast.data.pixels.store import Lost
from kontrast.data.sampler import Sampler
from kontrast.data.source import Source
from kontrast.distributed import gather, processes
from kontrast.encoders import tuning
from kontrast.errors import Failed, Unfit, shown
from kontrast.run import chunking, failure
from kontrast.run.finish import finish
from kontrast.run.guide import guided
from kontrast.run.held_out import HeldOut
from kontrast.run.ready import Ready
from kontrast.run.result import Run, Start
from kontrast.run.resume import configuration, misfit
from kontrast.training import checkpoints, malloc, optimizers, schedules
from kontrast.training.layerwise import layerwise
from kontrast.training.loop import Course, Row, State, Training, fit
from kontrast.training.signals import Signals
from kontrast.training.trackers import Bridge
from kontrast.training.watch import Watch

CORES = os.cpu_count() or 1


@dataclass
class Trainer:
    """Trains what is ready, and keeps its books. `say` takes sentences, `show` log rows with the number of steps."""

    ready: Ready
    say: Callable[[str], None]
    show: Callable[[Row, int], None] | None
    came: Signals
    waits: list[float] = field(default_factory=list)  # share of the time that steps waited for data, by log line
    began: float = field(default_factory=time.monotonic)
    told: set[str] = field(default_factory=set)  # which pictures cannot be read, once that was said
    saved: int = 0  # the step of the last checkpoint

    def __post_init__(self) -> None:
        self.came.doing = "getting ready for the first step"
        malloc.kept()
        self.plan, self.samples, self.opened = self.ready.plan, self.ready.samples, self.ready.opened
        self.folder, self.method = self.ready.folder, self.ready.method
        self.settings = self.plan.settings
        encoder = self.opened.encoder
        self.method = self.method.to(self.samples.device, memory_format=torch.channels_last)
        self.constant = tuning.constant(self.method, encoder) if self.settings.tune else set()
        self.held_out = HeldOut(self.ready, self.method, self.say, self.log, self._tell_lost)
        if self.ready.start is not None:  # before the batches are made: a locked tower reads with these weights
            self._restore_weights(self.ready.start)
        self._build()
        if self.ready.start is not None:
            self._restore_books(self.ready.start)
        self.config = {} if self.folder is None else configuration(self.folder.config())
        self.bridge = None if self.folder is None else Bridge(self.folder, self.settings.log, self.say)

    def _restore_weights(self, start: Start) -> None:
        weights = {k.removeprefix("method."): v for k, v in start[0].items() if k.startswith("method.")}
        constant = {name: tensor for name, tensor in self.method.state_dict().items() if name in self.constant}
        if start[1].get("began", self.ready.began_digest) != self.ready.began_digest:
            raise Unfit(
                f"--resume {self.came.run}: the weights that this run began with are not there any more as "
                "they were; it could not go on as the same run. Put them back."
            )
        with self._of_this_run(start):
            self.method.load_state_dict(constant | weights)

    @contextmanager
    def _of_this_run(self, start: Start) -> Iterator[None]:
        """Unfit where a checkpoint holds other things than a run like this one writes."""
        try:
            yield
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError, AttributeError) as problem:
            told = " ".join(f"{type(problem).__name__}: {problem}".split())[:200]
            raise misfit(self.came.run or Path(), start[1]["step"], told) from None

    def _build(self) -> None:
        """Batches, optimizer and course, all as the plan says."""
        s, source = self.settings, self.samples.source
        per_epoch, steps = self.ready.steps()
        sampler = self.sampler = Sampler(
            self.samples.train_ids, s.batch_size, s.seed, steps, gather.rank(), gather.processes()
        )
        batches = guided(self.opened.batches(source, sampler, training=True), s.negatives, source, sampler)
        for line in (*self.opened.encoder.messages, *batches.messages):
            self.say(f"         {line}")
        groups = self.method.parameter_groups()
        if s.layer_decay not in (None, 1.0):
            groups = layerwise(groups, tuning.layers(self.opened.encoder), s.layer_decay)
        optimizer = optimizers.named(groups, s.optimizer, lr=s.lr, weight_decay=s.weight_decay)
        rate = schedules.named(s.schedule, steps, warmup=round(s.warmup * per_epoch), per_epoch=per_epoch)
        course = Course(
            steps,
            per_epoch,
            s.lr,
            rate,
            s.precision,
            log_every=max(1, min(50, steps // 50)),
            save_seconds=60 * (s.checkpoint_every or 5),
            stop_seconds=60 * (s.max_minutes or float("inf")),
            evaluate_every=s.evaluate_every or 0,
        )
        self.training = Training(self.method, batches, optimizer, groups, course, State(), Watch(steps))
        self.held_out.training = self.training
        self.size, self.keep = chunking.sizes(self.method, batches(0), s, self.samples.device)
        if s.chunk is not None:
            if self.folder and s.chunk == "auto":
                self.folder.write_yaml("config.yaml", self.folder.config() | {"chunk": str(self.size)})
            self.say(f"chunks   {chunking.told(self.size, self.keep)}")

    def _restore_books(self, start: Start) -> None:
        """Optimizer, step, watch and best weights as the checkpoint has them."""
        tensors, kept = start
        self.saved = kept["step"]
        with self._of_this_run(start):
            self._restored(tensors, kept)

    def _restored(self, tensors: dict[str, Tensor], kept: dict[str, Any]) -> None:
        of_optimizer = {k: v for k, v in tensors.items() if k.startswith("optimizer.")}
        optimizers.restore(self.training.optimizer, self.training.groups, of_optimizer)
        self.training.state = State(**kept["loop"])
        self.training.watch = Watch(self.training.course.steps, **kept["watch"])
        self.held_out.restore(tensors, kept)

    def run(self) -> Run:
        """Train to the end, or to a signal; then write what a run leaves."""
        try:
            return self._run()
        finally:
            if self.bridge:
                self.bridge.close()

    def _run(self) -> Run:
        training = self.training
        self.came.doing = "training"
        if self.ready.start is None:
            self.held_out.begin()
        with self.came.noted(), chunking.cut(self.method, self.size, self.keep, self.settings):
            ending = self._trained()
            (code,) = processes.largest(self.stop())
            if ending == "stopped":
                return self._stopped(int(code))
        self.came.doing = "writing the model and evaluating it, after the last step"
        if self.samples.recipe and self.waits:
            told = advice(float(np.mean(self.waits)), self.samples.source.pictures, self.settings.workers, CORES)
            if told:
                self.say(f"data     {told}")
        self._tell_all()
        processes.leave()  # what is left to do, the first process does alone
        if ending == "time":
            step, steps, path = training.state.step, training.course.steps, quote(str(self.came.run))
            self.say(
                f"Ended by --max-minutes after step {step:,} of {steps:,}. To train on: "
                f"kontrast train --resume {path} --max-minutes 60"
            )
        return self._finished(ending, self.folder.path if self.folder else None)

    def _trained(self) -> str:
        """How the loop ended; Failed, with all that can be said, where the numbers went bad."""
        training, state, path = self.training, self.training.state, self.folder.path if self.folder else None
        try:
            return fit(training, self)
        except Lost as problem:
            self.save()
            raise Failed(f"{problem} Once they are there again: kontrast train --resume {quote(str(path))}") from None
        except Failed as problem:
            if self.stop():  # the signal has ended those who draw the views, too
                self.save()
                return "stopped"
            batch, device = training.batches(state.step), self.samples.device
            raise failure.explained(problem, self.method, batch, self.settings.precision, device, path) from None

    def _stopped(self, code: int) -> Run:
        step, steps, path = self.training.state.step, self.training.course.steps, self.came.run
        kept = "and saved" if self.saved == step else f"; the last checkpoint is of step {self.saved}"
        self.say(f"Stopped at step {step} of {steps} {kept}. Go on with: kontrast train --resume {quote(str(path))}")
        processes.leave()
        return Run(path, self.plan, "stopped", {}, exit_code=code)

    def _finished(self, ending: str, path: Path | None) -> Run:
        """With the best weights, and the folder written."""
        state, watch = self.training.state, self.training.watch
        model, more = self.held_out.kept()
        seconds = time.monotonic() - self.began
        summary = {
            "verdict": watch.verdict(state.step),
            "method": self.plan.name,
            "steps": state.step,
            "seconds": round(seconds, 2),
            "samples_per_second": round(self.settings.batch_size * state.step / seconds, 1),
            **more,
        }
        if self.folder:
            models = (model, self.ready.began)
            finish(self.folder, self.ready.plan, self.samples, self.opened, models, summary, self.say)
        if self.bridge:
            of = summary.get("evaluation", {}).items()
            scores = {f"{who}/{name}": value for who, found in of for name, value in found.items() if who != "about"}
            self.bridge.send({"step": state.step, **scores})
        return Run(path, self.plan, ending, summary, model, int(watch.collapsed(state.step)))

    # What the loop asks for while it runs: `training.loop.Books`.

    def log(self, row: Row) -> None:
        self._tell_lost(self.sampler, self.samples.source)
        self.waits.extend(value for name, value in row.items() if name == "data_wait")
        if self.folder:
            self.folder.log(row)
        if self.bridge:
            self.bridge.send(row)
        if self.show:
            self.show(row, self.training.course.steps)
        state = self.training.state
        if "loss" in row and (told := self.training.watch.warning(state.step)):
            self.say(f"step {state.step}: {told}")

    def _tell_lost(self, sampler: Sampler, source: Source) -> None:
        for name, why in [(source.names[sample], why) for sample, why in sampler.lost.items()]:
            if name not in self.told:
                self.told.add(name)
                self.say(f"skipped  {shown(name)}: {why}; its place in a batch stays empty")
        self.samples.leave_out(sampler.lost, source.names)

    def _tell_all(self) -> None:
        """What the other processes could not read is known to the first one, who writes the record."""
        here = torch.tensor([-1, *self.sampler.lost], dtype=torch.int64, device=self.samples.device)
        found = np.setdiff1d(gather.gather_rows(here, 0)[0].cpu().numpy(), here.cpu().numpy())
        source = self.samples.source
        self.sampler.lost.update({i: "cannot be read by another process" for i in found.tolist()})
        self.sampler.lost.update(source.unreadable(found))
        self._tell_lost(self.sampler, source)

    def save(self) -> None:
        if self.folder is None:
            return
        training, step = self.training, self.training.state.step
        state = self.method.state_dict()
        tensors = {f"method.{name}": tensor for name, tensor in state.items() if name not in self.constant}
        tensors |= optimizers.tensors(training.optimizer, training.groups) | self.held_out.best.tensors()
        kept = {
            "step": step,
            "loop": vars(training.state),
            "watch": training.watch.state(),
            "data": self.samples.source.fingerprint,
            "processes": gather.processes(),
            "seed": self.settings.seed,
            "config": self.config,
            **self.held_out.state(),
        }
        if self.ready.began is not None:
            kept["began"] = self.ready.began_digest
        try:
            checkpoints.save(self.folder.path / "checkpoints", tensors, kept)
            self.saved = step
        except OSError as problem:
            self.say(f"The checkpoint of step {step} could not be written ({problem}); going on, trying again later.")

    def each_epoch(self, epoch: int) -> None:
        self.held_out.each_epoch(epoch)

    def evaluate(self) -> None:
        self.held_out.evaluate()

    def stop(self) -> int:
        """The exit code of a signal that came; 0: none did."""
        return self.came.code
