"""A run that begins with trained weights: measured first as they are, and never ended worse.

Three sorts of weights may be kept: the first ones, those that scored best on the way, and mixtures of first and last
(Wortsman et al. 2022, arXiv:2109.01903). They are compared on the held-out part for choosing:

    score   of the test that fits it: neighbours where there are labels, else the other view of each item
    known   how much of the first features can still be read from the new ones; 1 for the first weights (`known`)

Kept is the highest score among weights that still know enough, if it is above the first one's by more than half its
standard error. A score alone would not do: the test without labels asks what training asks, so it rises while classes
that nobody named are forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from kontrast.data.pixels.store import Lost
from kontrast.data.source import Source
from kontrast.encoders import tuning
from kontrast.evaluate.known import known
from kontrast.exchange.open_clip import interpolated
from kontrast.modalities.modality import Opened

KNOWN = 0.75  # share that weights must still know to be kept, where no labels say what matters
LABELLED = 0.5  # the same where labels do
FORGOT = 0.9  # share below which forgetting is named as a cause
FELL = 0.7  # share below which a run is told at once, if its score is no better either
SHARES = (0.25, 0.5, 0.75)  # of the last weights, in the mixtures that are tried
ITEMS = 1000  # whose features are compared, at most
AS_THEY_WERE = "as they were"


@dataclass
class Look:
    """What some weights scored. loss, guessing: of the step before, where there was one."""

    name: str
    scores: dict[str, float]
    known: float
    loss: float | None = None
    guessing: float | None = None

    @property
    def score(self) -> float:
        """The one that decides."""
        return next(iter(self.scores.values()))

    def line(self) -> str:
        told = ", ".join(f"{name} {value:.4f}" for name, value in self.scores.items())
        return f"{told}, still known {self.known:.2f}"


@dataclass
class Frozen:
    """The first weights of a run, and all that was measured beside them.

    began   the model in use with these weights;  first  them, as `tuning.plain` gives them
    source  the held-out part for choosing
    """

    opened: Opened
    began: Any
    first: Mapping[str, Tensor]
    source: Source
    looks: list[Look] = field(default_factory=list)
    unmeasured: str = ""  # why some weights could not be measured at the end

    def __post_init__(self) -> None:
        self._features: Tensor | None = None

    def look(self, name: str, model: Any, row: Mapping[str, float] | None = None) -> Look:
        """Measure a model. row: the last line of the log."""
        scores = self.opened.score(model, self.source, self.source.ids)
        ids = self.source.ids[:ITEMS]
        if self._features is None:
            self._features = self.began.embed_source(self.source, ids)
        now = self._features if model is self.began else model.embed_source(self.source, ids)
        still = known(self._features, now)
        row = row or {}
        return Look(name, scores, still, row.get("loss"), row.get("guessing"))

    def begin(self) -> Look:
        """Measure the first weights."""
        self.looks = [self.look(AS_THEY_WERE, self.began)]
        return self.looks[0]

    def chosen(self, encoder: nn.Module, best: tuple[int, dict[str, Tensor]] | None, step: int) -> tuple[Look, Any]:
        """(how they did, the model in use) of the weights to keep; `encoder` holds the last ones, and is taken apart.

        best: the step and the moving weights of the highest score on the way, if any knew enough
        """
        last = tuning.plain(encoder)
        tried: list[tuple[str, dict[str, Tensor]]]
        tried = [(f"{share:.0%} of the way to the last", interpolated(self.first, last, share)) for share in SHARES]
        if best is not None and best[0] != step:
            tried.append((f"step {best[0]}", tuning.plain(encoder, best[1])))
        tried.append((f"step {step}, the last", last))
        model = self.opened.model(tuning.merged(encoder).eval())
        found: list[tuple[Look, dict[str, Tensor]]] = []
        for name, weights in tried:
            encoder.load_state_dict(weights)
            try:
                found.append((self.look(name, model), weights))
            except (ValueError, OSError, Lost) as problem:  # what cannot be measured is not kept
                self.unmeasured = str(problem)
        self.looks += [look for look, _ in found]
        enough = self.looks[0].score + self._noise()
        fit = [pair for pair in found if self.worth(pair[0]) and pair[0].score > enough]
        if not fit:
            return self.looks[0], self.began
        look, weights = max(fit, key=lambda pair: pair[0].score)
        encoder.load_state_dict(weights)
        return look, model

    def worth(self, look: Look) -> bool:
        """Whether weights still know enough to be kept."""
        return look.known >= (KNOWN if "recall_at_1" in next(iter(look.scores)) else LABELLED)

    def _noise(self) -> float:
        """Half the standard error of a share of so many items."""
        share = min(1.0, max(0.0, self.looks[0].score))
        return 0.5 * math.sqrt(share * (1 - share) / len(self.source.ids))

    def summary(self, kept: Look, verdict: str) -> dict[str, Any]:
        """For summary.json and the report."""
        named = {"data": self.source.name, "kept": kept.name, "looks": [look_json(look) for look in self.looks]}
        why = "" if kept is not self.looks[0] else self.unmeasured or cause(self.looks, verdict)
        return named | {"cause": why, "sentence": sentence(self.looks[0], kept, why)}

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps."""
        return [vars(look) for look in self.looks]

    def restore(self, kept: list[dict[str, Any]]) -> None:
        self.looks = [Look(**look) for look in kept]


def look_json(look: Look) -> dict[str, Any]:
    return {"name": look.name, **look.scores, "known": round(look.known, 4)}


def sentence(first: Look, kept: Look, why: str) -> str:
    """What came of it."""
    name, value = next(iter(first.scores.items()))
    if kept is first:
        return (
            f"Not better than the weights it began with, so these are kept ({name} {value:.3f}). Likely cause: {why}."
        )
    return f"Better than the weights it began with ({name} {value:.3f} -> {kept.score:.3f}); kept: {kept.name}."


def warning(look: Look, lr: float) -> str:
    """What is said at once of weights that have lost what they knew; nothing of others."""
    if look.known >= FELL:
        return ""
    return (
        f"only {look.known:.0%} of what the first weights knew can still be read: the rate ({lr:g}) is too high for "
        f"trained weights; take --lr {lr / 10:g}, or less. The run goes on, and ends with the first weights if it "
        "does not recover."
    )


def cause(looks: list[Look], verdict: str) -> str:
    """Why a run could not improve on its first weights, from its own signs; the likeliest first."""
    first, last = looks[0], looks[-1]
    on_the_way = [look for look in looks if look.loss is not None]
    least = min((look.known for look in (*on_the_way, last)), default=1.0)
    if verdict.startswith("collapsed") or least < FELL:
        return f"the rate: weights moved so far that only {least:.0%} of what they knew could be read (a smaller --lr)"
    if last.known < KNOWN or (last.known < FORGOT and last.score <= first.score):
        return (
            f"forgetting: {last.known:.0%} of what they knew can still be read (fewer --epochs, --tune last:2, a "
            "smaller --lr)"
        )
    losses = [look.loss for look in on_the_way if look.loss is not None]
    guessing = next((look.guessing for look in on_the_way if look.guessing), None)
    if len(losses) < 2 or (guessing and losses[0] - losses[-1] < 0.01 * guessing):
        return "too few steps, or too small a rate: the loss hardly moved (more --epochs, a larger --lr)"
    if last.score < first.score:
        return (
            "false negatives, or views that hide what matters: the loss came down and the test did not follow (--same "
            "for pictures of one thing, --negatives guide:FOLDER, other --views)"
        )
    return "the gain is smaller than the noise of this test (more data, or these weights already fit them)"
