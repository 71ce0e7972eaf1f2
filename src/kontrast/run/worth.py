"""Is it worth adapting a trained encoder to these pictures? Measured on a sample, each way beside the frozen weights.

    ways     head, then LoRA where the encoder is a transformer (else its last layers), then full: `--tune`
    test     items that no way saw: neighbours by label where labels or groups are named, else each item's other view
    range    95 % of 2,000 resamplings of the tested items, of the difference between a way and the frozen weights on
             the same items; for three ways together (Bonferroni), so that the best of three is not luck
    curve    the best way on a quarter, a half and all of the sample

Worth it is a way whose whole range is above 0. Without labels the test asks what training asks, so there a way must
also still know what the frozen features knew (`evaluate.known`).

Shapes: N tested items, R resamplings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from kontrast.data.source import Source
from kontrast.encoders import tuning
from kontrast.errors import Unfit
from kontrast.evaluate.known import known
from kontrast.evaluate.splits import some
from kontrast.keyed import Ids
from kontrast.recipes.rules import power_of_two
from kontrast.recipes.trained import EPOCHS
from kontrast.run.frozen import KNOWN
from kontrast.run.plan import opened, planned_on
from kontrast.run.precheck import before_reading, words
from kontrast.run.question import LEAST_TESTED, Question, asked_of, resampled
from kontrast.run.ready import Ready, put_together
from kontrast.run.samples import held_out
from kontrast.run.trainer import Trainer
from kontrast.settings import Settings, from_environment, from_mapping
from kontrast.training import loop, signals
from kontrast.training.loop import Row

TESTED = 1_000  # items at most
MOST = 20_000  # samples that are trained on, at most
BATCH = 128  # at most, so that a sample has steps enough
EACH = 0.16  # of the time, for the steps of one way on the whole sample; there are three, and a curve of 3/4 of one
LEAST_STEPS = 8  # of a way, or it says nothing

Say = Callable[[str], None]


def worth(
    data: Any,
    *,
    encoder: str | None = None,
    minutes: float = 10.0,
    say: Say = lambda text: None,
    show: Callable[[Row, int], None] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Whether a trained encoder should be adapted to these pictures, by which way, and with how much data.

    Args:
        data: pictures, as `kontrast train` takes them.
        encoder: a folder with trained weights; or a name, with pretrained=True.
        minutes: about how long it may take.
        **settings: fields of `kontrast.Settings`: method, labels or same (the test then goes by them), lr, views, ...

    Returns a JSON object: `answer` in a sentence, `worth`, `way`, `test`, `frozen`, `ways`, `curve`.
    Raises Unfit for other data than pictures, random weights, or too little data or time.
    """
    began = time.monotonic()
    asked = from_mapping({**settings, "encoder": encoder}, "worth()").over(from_environment())
    asked = replace(asked, method=asked.method or "simclr", survey=True)
    source, samples = _read(data, asked)
    batch = asked.batch_size or min(BATCH, power_of_two(len(samples[1]) / 4))
    asked = replace(asked, batch_size=batch)
    with signals.caught("measuring whether it is worth it") as came:
        trial = Trial(asked, source, samples, came, say, show)
        return trial.measured(began, 60 * minutes)


def _read(data: Any, asked: Settings) -> tuple[Source, tuple[Source, Ids]]:
    """The pictures, and of them (what is tested, what may be trained on)."""
    for name in ("tune", "out", "evaluate_every", "epochs", "max_minutes"):
        if getattr(asked, name) is not None:
            raise Unfit(f"worth tries the ways itself; leave --{name.replace('_', '-')} out.")
    if asked.encoder is None or not (asked.pretrained or Path(asked.encoder).is_dir()):
        raise Unfit("worth is about trained weights: --encoder FOLDER, or a name with --pretrained.")
    words(asked)
    before_reading(asked, None)
    source = opened(data, asked)
    if source.kind != "images":
        raise Unfit(f"worth is for pictures without words; {source.name} holds {source.called}.")
    tested, _, train_ids = held_out(source, asked)
    if tested is None or len(tested.ids) < LEAST_TESTED or tested.names is not source.names:
        raise Unfit(f"worth tests on pictures that it keeps back, and {source.name} ({len(source.ids)}) has too few.")
    return source, (tested.part(some(tested.ids, TESTED, "worth", 0)), train_ids)


@dataclass
class Trial:
    """The ways, tried one after another."""

    asked: Settings
    source: Source
    samples: tuple[Source, Ids]
    came: signals.Signals
    say: Say
    show: Callable[[Row, int], None] | None

    def measured(self, began: float, seconds: float) -> dict[str, Any]:
        """The whole answer."""
        tested, train_ids = self.samples
        ready = self._ready("full", some(train_ids, 4_096, "probe", 0), 1)
        step_seconds = self._probe(ready)
        batch, tune = ready.plan.settings.batch_size, "lora:8" if tuning.attends(ready.began.encoder.net) else "last:2"
        ids = _sample(train_ids, int(EACH * (seconds - (time.monotonic() - began)) / step_seconds), batch)
        if len(ids) < 2 * batch:
            raise Unfit(f"--minutes {seconds / 60:g}: a step takes {step_seconds:.1f} s here; give more minutes.")
        test = asked_of(ready, tested, self.source.part(ids))
        self.say(
            f"worth    {len(ids):,} of {len(train_ids):,} pictures, tested on {len(tested.ids):,} others: {test.name}"
        )
        frozen_N = test.hits(ready.began)
        features = ready.began.embed_source(tested, tested.ids)
        self.say(f"frozen   {_share(frozen_N)}")
        ways: dict[str, dict[str, Any]] = {}
        for way in ("head", tune, "full"):
            ways[way] = self._tried(way, ids, test, frozen_N, features)
        best = max(ways, key=lambda way: ways[way]["difference"])
        curve = []
        for share in (4, 2, 1):
            part = some(ids, len(ids) // share, "curve", 0)
            enough = share > 1 and len(part) >= 2 * batch and time.monotonic() - began < seconds
            found = ways[best] if share == 1 else self._tried(best, part, test, frozen_N, features) if enough else None
            curve += [] if found is None else [{"samples": len(part), **_of_curve(found)}]
        result: dict[str, Any] = {"test": test.name, "chance": test.chance, "items": len(test.items.ids)}
        result |= {
            "samples": len(ids),
            "frozen": {"score": float(frozen_N.double().mean()), "range": resampled(frozen_N.double())},
        }
        result |= {"ways": ways, "curve": curve, "best": best, "seconds": round(time.monotonic() - began, 1)}
        return result | answer(result, len(train_ids))

    def _ready(self, way: str, ids: Ids, epochs: int) -> Ready:
        asked = replace(self.asked, tune=way, validate="none", epochs=epochs)
        plan, samples = planned_on(self.source.part(ids), asked)
        return put_together(plan, samples, None)

    def _probe(self, ready: Ready) -> float:
        """Seconds that a step of the dearest way takes: the second of two."""
        trainer = Trainer(ready, lambda text: None, None, self.came)
        t, seconds = trainer.training, 0.0
        for number in range(2):
            start = time.monotonic()
            loop.one_step(
                t.method, t.batches(number), t.optimizer, t.groups, t.state, t.course.precision, ready.samples.device
            )
            seconds = time.monotonic() - start
        return seconds

    def _tried(self, way: str, ids: Ids, test: Question, frozen_N: Tensor, features: Tensor) -> dict[str, Any]:
        """One way, trained to its end on these samples."""
        began = time.monotonic()
        ready = self._ready(way, ids, _epochs(len(ids)))
        trainer = Trainer(ready, lambda text: None, self.show, self.came)
        moves = sum(p.numel() for p in ready.opened.encoder.parameters() if p.requires_grad)
        run = trainer.run()
        if run.model is None:
            raise self.came.interrupted()
        seconds, hit_N = time.monotonic() - began, test.hits(run.model)
        difference_N = hit_N.double() - frozen_N.double()
        still = known(features, run.model.embed_source(test.items, test.items.ids))
        found = {
            "score": float(hit_N.double().mean()),
            "difference": float(difference_N.mean()),
            "range": resampled(difference_N, ways=3),
            "known": round(still, 4),
            "moves": moves,
            "seconds": round(seconds, 1),
        }
        low, high = found["range"]
        self.say(
            f"{way:<8} {len(ids):>6,} pictures: {_share(hit_N)}, {100 * found['difference']:+.1f} ({100 * low:+.1f} to "
            f"{100 * high:+.1f}), still known {still:.2f}, {seconds:.0f} s"
        )
        return found


def _of_curve(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("difference", "range", "seconds")}


def _epochs(count: int) -> int:
    return next(epochs for limit, epochs in EPOCHS if count < limit)


def _sample(ids: Ids, steps: int, batch: int) -> Ids:
    """As many of the ids as can be passed in so many steps."""
    count = min(len(ids), MOST)
    while count >= 2 * batch and count // batch * _epochs(count) > max(steps, LEAST_STEPS):
        count = int(0.9 * count)
    return some(ids, count, "worth sample", 0)


def _share(hit_N: Tensor) -> str:
    return f"{100 * hit_N.double().mean():.1f} %"


def answer(result: Mapping[str, Any], available: int) -> dict[str, Any]:
    """The verdict on what was measured: `worth`, `way`, and `answer` in a sentence. available: pictures there are."""
    labelled = result["test"].startswith("neighbours")
    fit = {
        way: found
        for way, found in result["ways"].items()
        if found["range"][0] > 0 and (labelled or found["known"] >= KNOWN)
    }
    base = 100 * result["frozen"]["score"]
    if not fit:
        best = result["ways"][result["best"]]
        low, high = (100 * edge for edge in best["range"])
        why = "no way is better than the frozen weights by more than chance"
        if best["range"][0] > 0:
            why = f"the test rose, but only {best['known']:.0%} of what the frozen features knew can still be read"
        told = (
            f"Not worth it: {why} (best: {result['best']}, {100 * best['difference']:+.1f} points, range {low:+.1f} to "
            f"{high:+.1f}; frozen {base:.1f} %). Keep the encoder as it is."
        )
        return {"worth": False, "way": None, "answer": told}
    way = max(fit, key=lambda name: fit[name]["difference"])
    found = fit[way]
    low, high = (100 * edge for edge in found["range"])
    whole = found["seconds"] * available / result["samples"] / 60
    told = (
        f"Worth it, by --tune {way}: {base:.1f} -> {100 * found['score']:.1f} % ({low:+.1f} to {high:+.1f} points) in "
        f"{found['seconds']:.0f} s on {result['samples']:,} pictures; all {available:,} take about {whole:.0f} min. "
        f"{_how_much(result['curve'] if way == result['best'] else [])}"
    )
    return {"worth": True, "way": way, "answer": told.strip()}


def _how_much(curve: list[Mapping[str, Any]]) -> str:
    """What the curve says about more data."""
    if len(curve) < 2:
        return ""
    *fewer, last = curve
    enough = next((part for part in curve if part["difference"] >= 0.9 * last["difference"]), last)
    if enough is last:
        return f"The gain still grew from {fewer[-1]['samples']:,} to {last['samples']:,} pictures: more should help."
    return f"{enough['samples']:,} pictures gave nearly all of it."
