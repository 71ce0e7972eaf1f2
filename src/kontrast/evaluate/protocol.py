"""What an evaluation protocol is. One file each; `registry.PROTOCOLS` lists them.

    metrics          what it measures, and how people read it: table, report and sentence are made from these
    misfit(task)     why it does not fit this data, if it does not
    chance(task)     what guessing reaches, by metric
    measure(...)     yields (metric, value, 95 % range) of one column: learned, before, random weights, raw input

Nothing in a protocol knows which column it measures, so nothing in it can flatter one.

Shapes: M test items, K items of the bank, H feature width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from kontrast.data.source import Source
from kontrast.evaluate.embedders import Features
from kontrast.evaluate.splits import Labels
from kontrast.keyed import Ids
from kontrast.positives.images.view import Recipe

Reads: TypeAlias = str  # what a model takes: pictures, sentences, both into one space


@dataclass(frozen=True)
class Metric:
    """One number of a protocol, and how people read it.

    name      its key in the JSON
    title     its name in tables
    question  what it asks, for someone who reads the report
    told      the sentence's clause about it, with {value} and {count}; empty: the sentence never leads with it
    decimals  as it is printed; None: a fraction from 0 to 1, printed times 100
    unit      beside the printed value
    decisive  it counts when columns are compared: higher is better
    """

    name: str
    title: str
    question: str
    told: str = ""
    decimals: int | None = None
    unit: str = "%"
    decisive: bool = False

    def shown(self, value: float | None) -> str:
        """A value as people read it."""
        if value is None:
            return ""
        return f"{100 * value:.1f}" if self.decimals is None else f"{value:.{self.decimals}f}"


class Measure(NamedTuple):
    """A value, and the 95 % range of what it would be for other items or draws; None where nobody can tell."""

    metric: str
    value: float
    around: tuple[float, float] | list[float] | None = None


class Misfit(NamedTuple):
    """Why a protocol does not fit. `said`: worth a line where nobody asked for it."""

    why: str
    said: bool = True


@dataclass(frozen=True)
class Task:
    """The data that all protocols and all columns see.

    reads      what the model takes
    rows       what is tested, its usable ids
    source     the same, but of scored pairs of pictures each picture once
    bank       labelled data that neighbours and probes may learn from; None: halves of `source`, stratified, 5 draws
    bank_note  what to say about the bank
    recipe     how fresh views are drawn
    cloud      what the shape of the vectors is taken from: ids of `source`, or sentences
    classes    their names, in any order if the labels are names, else in the order of the numbers; None: the source's
    sentences  templates of a class's name
    """

    reads: Reads
    rows: Source
    source: Source
    bank: Source | None = None
    bank_note: str = ""
    recipe: Recipe | None = None
    cloud: Ids | Sequence[str] = ()
    classes: Sequence[str] | None = None
    sentences: Sequence[str] = ()
    seed: int = 0

    @cached_property
    def labels(self) -> Labels:
        """Who is tested with labels, and from whom they are learned."""
        return Labels.of(self.source, self.bank, self.seed)

    def shape(self, features: Features) -> Any:
        """The vectors of the cloud, (N, H)."""
        if isinstance(self.cloud, np.ndarray):
            return features(self.source, self.cloud)
        return features.texts(self.cloud)


class Protocol(ABC):
    """A test of vectors. Only `name`, `metrics` and `measure` must be there.

    models  the kinds of model that it tests
    always  it is measured wherever it fits, whatever was asked for
    """

    name: str
    metrics: tuple[Metric, ...]
    models: ClassVar[tuple[Reads, ...]] = ("images", "texts", "pairs")
    always: ClassVar[bool] = False

    def misfit(self, task: Task) -> Misfit | None:
        """Why it cannot be measured on this data; None: it can."""
        return None

    def facts(self, task: Task) -> dict[str, Any]:
        """How it is measured, for `about` in the JSON."""
        return {}

    def notes(self, task: Task) -> list[str]:
        """What a reader must know before trusting it."""
        return []

    def conditions(self, about: Mapping[str, Any]) -> str:
        """Its `facts` as a line for people; empty where they are not there."""
        return ""

    def chance(self, task: Task) -> dict[str, float]:
        """What guessing reaches, by metric."""
        return {}

    @abstractmethod
    def measure(self, features: Features, task: Task) -> Iterator[Measure]:
        """The measures of one column."""
