"""The test that needs no labels: does each held-out item find its own other view among up to 2,000?

Two views of every item are drawn afresh (from keys that training never used), encoded, and the second views are
searched with the first ones. It measures what the run was asked to learn, on items that it never saw.

Shapes: N items, H feature width.
"""

from __future__ import annotations

import torch

from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.retrieval import ranks, recall_at

ITEMS = 2000  # at most; more items make the search harder, so the number is part of the result


def view_recall(first_NH: Vectors, second_NH: Vectors, *, k: int = 1) -> float:
    """Share of first views whose own second view is among the k nearest second views by cosine. Chance is k / N.

    A tie counts as a miss, so that an encoder whose outputs are all equal scores 0.
    """
    if len(first_NH) != len(second_NH):
        raise ValueError(f"first and second must hold the same items; got {len(first_NH)} and {len(second_NH)} rows.")
    item_N = torch.arange(len(first_NH))
    return recall_at(ranks(first_NH, second_NH, item_N, item_N), k)
