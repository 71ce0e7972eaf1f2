"""What all tests on labels share: one bank, one set of test items, and the mean where there are several draws of them.

A labelled protocol is a function of one `Draw` that yields its measures, a name and its metrics:

    KNN = Labelled("knn", (Metric("knn_top1", ...),), vote, guess=largest_class)

Shapes: M test items, K items of the bank, H feature width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kontrast.data.source import Source
from kontrast.evaluate.embedders import Features
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.protocol import Measure, Metric, Misfit, Protocol, Reads, Task
from kontrast.evaluate.splits import DRAWS, Labels
from kontrast.keyed import Ids


@dataclass(frozen=True)
class Draw:
    """One bank and the items that are asked of it."""

    bank_KH: Tensor
    label_K: Tensor
    ids_K: Ids
    test_MH: Tensor
    answer_M: Tensor
    seed: int


def largest_class(labels: Labels) -> float:
    """What always saying the most frequent class reaches."""
    return float(np.unique(labels.answer_M, return_counts=True)[1].max() / len(labels.answer_M))


def any_class(labels: Labels) -> float:
    """What saying any class of the bank reaches."""
    return 1 / len(np.unique(labels.label_K))


@dataclass(frozen=True)
class Labelled(Protocol):
    """A test on labels: measured on each draw of bank and test, then averaged.

    on_draw  the measures of one draw; a share of the test items needs no range, it gets Wilson's
    guess    the chance level of each of its fractions
    told     a line about how it is measured, with its `fixed` facts and those of `counted`
    """

    name: str
    metrics: tuple[Metric, ...]
    on_draw: Callable[[Draw], Iterator[Measure]]
    guess: Callable[[Labels], float]
    told: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    counted: Callable[[int], dict[str, Any]] = lambda bank_items: {}
    models: ClassVar[tuple[Reads, ...]] = ("images",)

    def misfit(self, task: Task) -> Misfit | None:
        for which, role in ((task.source, "test"), (task.bank, "bank")):
            if which is None:
                continue
            if len(_classes(which)) < 2:
                why = f"the {role} data ({which.name}) names fewer than two classes"
                return Misfit(why, said=which.labels is not None)
            if task.bank is None and not len(task.labels.splits[0][1]):
                return Misfit(f"no class of {which.name} has two different items to split into bank and test")
        return None

    def facts(self, task: Task) -> dict[str, Any]:
        rows, asked = task.labels.splits[0]
        halves = f"half of {task.source.name}, stratified, mean of {DRAWS} draws"
        return {
            "bank": halves if task.bank is None else task.bank.name,
            "bank_items": len(rows),
            "test_items": len(asked),
            "classes": len(np.unique(task.labels.label_K[rows])),
            **self.fixed,
            **self.counted(len(rows)),
        }

    def notes(self, task: Task) -> list[str]:
        strangers = int((~np.isin(task.labels.answer_M, task.labels.label_K)).sum())
        told = f"{strangers} test items belong to classes that the bank lacks and count as errors"
        return [task.bank_note] * bool(task.bank_note) + [told] * bool(strangers)

    def conditions(self, about: Mapping[str, Any]) -> str:
        return self.told.format(**about) if {*self.fixed, *self.counted(0)} <= set(about) else ""

    def chance(self, task: Task) -> dict[str, float]:
        at = self.guess(task.labels)
        return {metric.name: at if metric.decimals is None else 0.0 for metric in self.metrics}

    def measure(self, features: Features, task: Task) -> Iterator[Measure]:
        labels = task.labels
        test_MH = features(task.source, labels.test_ids)
        bank_KH = test_MH if task.bank is None else features(task.bank, labels.bank_ids)
        draws = [
            list(
                self.on_draw(
                    Draw(
                        bank_KH[rows],
                        torch.from_numpy(labels.label_K[rows]),
                        labels.bank_ids[rows],
                        test_MH[asked],
                        torch.from_numpy(labels.answer_M[asked]),
                        task.seed,
                    )
                )
            )
            for rows, asked in labels.splits
        ]
        shares = {metric.name for metric in self.metrics if metric.decimals is None}
        for found in zip(*draws):
            name, value = found[0].metric, float(np.mean([one.value for one in found]))
            ends = [one.around for one in found if one.around is not None]
            around = np.mean(ends, axis=0).tolist() if ends else None
            if around is None and name in shares:
                around = wilson(value, len(np.unique(np.concatenate([asked for _, asked in labels.splits]))))
            yield Measure(name, value, around)


def _classes(source: Source) -> Ids:
    """The known classes of the usable samples."""
    known = np.zeros(0, np.int64) if source.labels is None else source.labels[source.ids]
    found: Ids = np.unique(known[known >= 0])
    return found
