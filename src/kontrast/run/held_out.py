"""What the held-out part says of a run: while it trains, which weights are the best, and which are kept at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kontrast.data.sampler import Sampler
from kontrast.data.source import Source
from kontrast.distributed import gather, processes
from kontrast.encoders import tuning
from kontrast.errors import Unfit
from kontrast.run.frozen import Frozen, Look, warning
from kontrast.run.ready import Ready
from kontrast.training.best_weights import BestWeights
from kontrast.training.loop import Row, Training
from kontrast.training.scored_pairs import together
from kontrast.training.watch import retrieval_at_1


@dataclass
class HeldOut:
    """Looks at the held-out part. `log` takes a row; `lost` takes the pictures that went, with their source."""

    ready: Ready
    method: Any
    say: Callable[[str], None]
    log: Callable[[Row], None]
    lost: Callable[[Sampler, Source], None]
    best: BestWeights = field(default_factory=BestWeights)
    unlooked: str = ""  # why it was not looked at, once that is known

    def __post_init__(self) -> None:
        self.training: Training  # what is looked at, once it is built
        self.opened, self.samples, self.settings = self.ready.opened, self.ready.samples, self.ready.plan.settings
        self.frozen = self._frozen()

    def _frozen(self) -> Frozen | None:
        """The weights as they are now, where they know something and there is where to measure it."""
        choose = self.samples.choose or self.samples.check
        if self.ready.began is None or choose is None or not self.settings.evaluate_every:
            return None
        return Frozen(self.opened, self.ready.began, tuning.plain(self.opened.encoder), choose)

    def each_epoch(self, epoch: int) -> None:
        """Loss and retrieval on the held-out part, where it is of the same kind and can be compared."""
        here, there = self.samples.source, self.samples.check  # scored pairs are no positives, and not all are decided
        if there is None or (there.kind, "similar" in there.columns) != (here.kind, "similar" in here.columns):
            return
        with self._looking():
            row = self.held_out_row()
            self.log({"step": self.training.state.step, "epoch": epoch, **row})

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """What cannot be looked at while training is said once, and costs no run."""
        training = self.method.training
        try:
            yield
        except (ValueError, OSError) as problem:
            self.method.train(training)
            if not self.unlooked:
                self.unlooked = str(problem)
                self.say(f"held-out data cannot be looked at while training: {problem}")

    def evaluate(self) -> None:
        """The score by which the best weights are chosen."""
        assert self.samples.check is not None
        state, best, check = self.training.state, self.best, self.samples.choose or self.samples.check
        with self._looking():
            model = self.opened.model(self.method.encoder)
            if self.frozen is None:
                scores, worth = self.opened.score(model, check, check.ids), True
            else:
                look = self.frozen.look(f"step {state.step}", model, self.training.watch.last)
                self.frozen.looks.append(look)
                scores, worth = look.scores, self.frozen.worth(look)
                self._tell_fall(look)
            name, score = next(iter(scores.items()))
            if worth:
                best.look(score, state.step, tuning.moving(self.method.encoder))
            epoch = state.step / self.training.course.per_epoch
            held_out = {f"held_out_{name}": value for name, value in scores.items()}
            self.log({"step": state.step, "epoch": epoch, **held_out})
            beside = f"best {best.score:.4f} at step {best.step}" if best.weights else "none is worth keeping yet"
            beside += f", still known {self.frozen.looks[-1].known:.2f}" if self.frozen is not None else ""
            self.say(f"step {state.step}: {name} {score:.4f} on {check.name} ({beside})")

    def begin(self) -> None:
        """Before the first step: measure trained weights as they are."""
        frozen = self.frozen
        if frozen is None:
            return
        with self._looking():
            look = frozen.begin()
            self.say(f"frozen   the weights as they are: {look.line()} on {frozen.source.name}")
            self.log({"step": 0, "epoch": 0.0, **{f"held_out_{name}": value for name, value in look.scores.items()}})

    def _tell_fall(self, look: Look) -> None:
        assert self.frozen is not None
        first, *others, _ = self.frozen.looks
        fell = [one for one in (*others, look) if warning(one, 0.0) and not one.score > first.score]
        if fell == [look]:
            self.say(f"{look.name}: {warning(look, self.settings.lr)}")

    def kept(self) -> tuple[Any, dict[str, Any]]:
        """(the model in use with the weights that are kept, more for the summary)."""
        best, encoder, state = self.best, self.method.encoder, self.training.state
        if self.frozen is not None and self.frozen.looks:
            found = (best.step, best.weights) if best.weights else None
            kept, model = self.frozen.chosen(encoder, found, state.step)
            summary = self.frozen.summary(kept, self.training.watch.verdict(state.step))
            for look in self.frozen.looks[-4:]:
                self.say(f"         {look.name}: {look.line()}")
            self.say(f"kept     {summary['sentence']}")
            return model, {"frozen": summary}
        if best.weights:
            self.say(
                f"best     the weights of step {best.step} are kept, those that scored highest on the held-out data"
            )
            encoder.load_state_dict(best.weights, strict=False)
        return self.opened.model(tuning.merged(encoder).eval()), {}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, beside the tensors of `best`."""
        return {"best": self.best.state()} | ({} if self.frozen is None else {"frozen": self.frozen.state()})

    def restore(self, tensors: Mapping[str, Tensor], kept: Mapping[str, Any]) -> None:
        self.best = BestWeights.restored(tensors, kept.get("best", {}))
        if self.frozen is not None:
            self.frozen.restore(kept["frozen"])

    @torch.no_grad()
    def held_out_row(self) -> Row:
        """Loss and retrieval on samples that training never sees, in batches of the training size."""
        s, check, ids, method = self.settings, self.samples.check, self.samples.check_ids, self.method
        assert check is not None
        size = min(s.batch_size, len(ids))
        if size < 2:
            raise Unfit(f"{check.name} holds {len(ids)}, and a loss compares at least 2.")
        sampler = Sampler(ids, size, s.seed + 1, self.training.course.steps, gather.rank(), gather.processes())
        batches = self.opened.batches(check, sampler, training=False)
        method.train(self.opened.masks)
        rows = []
        for number in range(len(ids) // size):
            outcome = method.compare(method.embed(batches(number)).joined())
            mine = together(outcome.embeddings)
            found = retrieval_at_1(*(side[mine] for side in outcome.pair))
            rows.append((float(processes.summed(outcome.loss)), float(found)))
        method.train()
        self.lost(sampler, check)
        loss, retrieval = np.mean(rows, axis=0)
        return {"held_out_loss": float(loss), "held_out_retrieval_at_1": float(retrieval)}
