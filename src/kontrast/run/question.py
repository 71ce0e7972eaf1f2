"""What `kontrast worth` asks of every way of adapting an encoder, and how sure the answers are.

Shapes: N tested items, K of the bank, R resamplings, C labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.source import Source
from kontrast.evaluate.knn import knn_scores
from kontrast.evaluate.retrieval import ranks
from kontrast.evaluate.view_retrieval import drawn
from kontrast.keyed import Ids
from kontrast.run.ready import Ready

RESAMPLED = 2_000
LEAST_TESTED = 20  # items


@dataclass(frozen=True)
class Question:
    """What is asked of every way: `hits` says for each tested item whether it was found. chance: by guessing.

    bank     whose labels vote; None: of the other items, the nearest must be of the same group
    answers  by id of both: labels or groups; None: each item's other view is searched, drawn by `recipe`
    """

    name: str
    items: Source
    bank: Source | None
    answers: Ids | None
    recipe: Any
    chance: float

    def hits(self, model: Any) -> Tensor:
        """(N,) bool."""
        ids = self.items.ids
        if self.answers is None:
            first_NH, second_NH = (model.embed_source(view, ids) for view in drawn(self.items, self.recipe, 0))
            place_N = torch.arange(len(ids))
            return ranks(first_NH, second_NH, place_N, place_N) <= 1
        item_NH, answer_N = model.embed_source(self.items, ids), torch.from_numpy(self.answers[ids])
        if self.bank is None:
            unit_NH = torch.nn.functional.normalize(item_NH, dim=1)
            nearest_N = (unit_NH @ unit_NH.T).fill_diagonal_(-2.0).argmax(1)
            return answer_N[nearest_N] == answer_N
        bank_KH = model.embed_source(self.bank, self.bank.ids)
        label_K = torch.from_numpy(self.answers[self.bank.ids])
        score_NC = knn_scores(item_NH, bank_KH, label_K, classes=int(self.answers.max()) + 1)
        return score_NC.argmax(1) == answer_N


def asked_of(ready: Ready, tested: Source, bank: Source) -> Question:
    """Groups or labels, where there are some that tell; else the other view."""
    if tested.groups is not None:
        group, many_N = tested.groups, np.unique_counts(tested.groups[tested.ids])
        shared = np.isin(group[tested.ids], many_N.values[many_N.counts > 1])
        items = tested.part(tested.ids[shared & (group[tested.ids] >= 0)])
        if len(items.ids) >= LEAST_TESTED:
            counts = many_N.counts[many_N.counts > 1]
            chance = float((counts * (counts - 1)).sum() / counts.sum() / max(1, len(items.ids) - 1))
            return Question("neighbours of the same group", items, None, group, None, chance)
    elif tested.labels is not None:
        label = tested.labels
        items, bank = (part.part(part.ids[label[part.ids] >= 0]) for part in (tested, bank))
        counts = np.bincount(label[bank.ids])
        if len(items.ids) >= LEAST_TESTED and (counts > 0).sum() > 1:
            chance = float(counts.max() / counts.sum())
            return Question("neighbours of the same label", items, bank, label, None, chance)
    views, look = ready.samples.recipe, ready.began.look
    assert views is not None
    name = f"the other view of each ({views.name}); without labels the test asks what training asks"
    return Question(name, tested, None, None, replace(views, mean=look.mean, std=look.std), 1 / len(tested.ids))


def resampled(value_N: Tensor, ways: int = 1) -> list[float]:
    """The 95 % range of the mean over resamplings of the items, for so many ways together."""
    numbers = keyed.below(len(value_N), "resampled", np.arange(RESAMPLED * len(value_N)))
    mean_R = value_N[torch.from_numpy(numbers.astype(np.int64)).view(RESAMPLED, -1)].mean(1)
    edge = 0.025 / ways
    return [float(torch.quantile(mean_R, q)) for q in (edge, 1 - edge)]
