"""The test that needs no labels: does each held-out item find its own other view among up to 2,000?

Two views of every item are drawn afresh (from keys that training never used), encoded, and the second views are
searched with the first ones. It measures what the run was asked to learn, on items that it never saw.

Shapes: N items, H feature width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.source import Source
from kontrast.evaluate.embedders import Embedder, Features
from kontrast.evaluate.geometry import ALIGNMENT, alignment
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.protocol import Measure, Misfit, Protocol, Task
from kontrast.evaluate.retrieval import RECALL_AT_1, ranks, recall_at
from kontrast.evaluate.splits import some
from kontrast.keyed import Ids
from kontrast.positives.images import views
from kontrast.positives.images.view import Keys, Recipe

ITEMS = 2000  # at most; more items make the search harder, so the number is part of the result
MOST_DRAWS = 100  # of the views of few items; more would narrow the range by less than a hundredth


def view_recall(first_NH: Vectors, second_NH: Vectors, *, k: int = 1) -> float:
    """Share of first views whose own second view is among the k nearest second views by cosine. Chance is k / N.

    A tie counts as a miss, so that an encoder whose outputs are all equal scores 0.
    """
    if len(first_NH) != len(second_NH):
        raise ValueError(f"first and second must hold the same items; got {len(first_NH)} and {len(second_NH)} rows.")
    item_N = torch.arange(len(first_NH))
    return recall_at(ranks(first_NH, second_NH, item_N, item_N), k)


@dataclass(frozen=True)
class FreshView:
    """Pictures by sample id, each seen as one view that training never drew: floats in [0, 1], (B, C, size, size)."""

    source: Source
    recipe: Recipe
    number: int
    seed: int
    draw: int = 0

    def __call__(self, ids_B: npt.NDArray[np.int64], workers: int | None = None) -> Tensor:
        seed = int(keyed.words("fresh views", self.seed)) >> 1
        pictures, keys = self.source.images(ids_B, workers=workers), Keys(seed, self.draw, ids_B)
        return views(pictures, self.recipe, keys)[self.number].clamp(0, 1)


def drawn(source: Source, recipe: Recipe, seed: int, draw: int = 0) -> tuple[Source, Source]:
    """The same samples under the same ids, once as their first fresh view and once as their second; anew each draw.

    The keys are apart from those of any training. Normalising is left to the encoder, as for any other picture.
    """
    plain = replace(recipe, views=recipe.views[:2], mean=(0.0,) * source.channels, std=(1.0,) * source.channels)
    sizes = [view.size for view in plain.views]
    first, second = (
        replace(source, pictures=FreshView(source, plain, number, seed, draw), size=(size, size), bits=8)
        for number, size in enumerate(sizes)
    )
    return first, second


def score(embed: Embedder, source: Source, recipe: Recipe) -> float:
    """`recall_at_1` of one draw of views: the number by which checkpoints are compared."""
    items = some(source.ids, ITEMS, "views", 0)
    return view_recall(*(embed(view, items) for view in drawn(source, recipe, 0)))


def hit_interval(hit_DN: Tensor) -> tuple[float, list[float]]:
    """(share of hits, its 95 % range for other items) of N items in D draws each.

    Wilson's interval with the number of trials that have the standard error of the items' own shares: N for one draw,
    up to N D where the draws differ more than the items. More draws narrow it until only the items differ.
    """
    draws, items = hit_DN.shape
    share_N = hit_DN.double().mean(dim=0)
    share = share_N.mean().item()
    squared_error = share_N.var().item() / items if items > 1 else 0.0
    worth = share * (1 - share) / squared_error if squared_error and draws > 1 else items
    return share, wilson(share, min(max(worth, items), items * draws))


class Views(Protocol):
    """Does the first fresh view of each item find the second? Few items are drawn many times, up to 2,000 in all."""

    name = "views"
    metrics = (RECALL_AT_1, ALIGNMENT)
    models = ("images",)

    def misfit(self, task: Task) -> Misfit | None:
        if task.recipe is None:
            return Misfit("no recipe says how to draw views of this data")
        return Misfit("one item alone cannot be confused with another") if len(task.source.ids) < 2 else None

    def facts(self, task: Task) -> dict[str, Any]:
        items, name = self._items(task), task.recipe.name if task.recipe else ""
        return {"views": name, "view_items": len(items), "view_draws": _draws(len(items))}

    def conditions(self, about: Mapping[str, Any]) -> str:
        if "views" not in about:
            return ""
        many = f", {about['view_draws']} draws" if about.get("view_draws", 1) > 1 else ""
        return f"recall: the item's other fresh view ({about['views']}) among {about['view_items']:,}{many}"

    def chance(self, task: Task) -> dict[str, float]:
        return {"recall_at_1": 1 / len(self._items(task))}

    def measure(self, features: Features, task: Task) -> Iterator[Measure]:
        assert task.recipe is not None
        items = self._items(task)
        item_N, hits, distances = torch.arange(len(items)), [], []
        for draw in range(_draws(len(items))):
            first_NH, second_NH = (features(view, items) for view in drawn(task.source, task.recipe, task.seed, draw))
            hits.append(ranks(first_NH, second_NH, item_N, item_N) <= 1)
            distances.append(alignment(first_NH, second_NH))
        yield Measure("recall_at_1", *hit_interval(torch.stack(hits)))
        yield Measure("alignment", float(np.mean(distances)))

    def _items(self, task: Task) -> Ids:
        return some(task.source.ids, ITEMS, "views", task.seed)


def _draws(items: int) -> int:
    return max(1, min(MOST_DRAWS, ITEMS // items))
