"""Does each item find its partner? Recall among many, from exact ranks.

Shapes: Q queries, K items of the bank, D width, P positives of a query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast.data.source import Source
from kontrast.evaluate.embedders import Features
from kontrast.evaluate.geometry import ALIGNMENT, alignment
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.protocol import Measure, Metric, Misfit, Protocol, Task
from kontrast.evaluate.splits import some
from kontrast.keyed import Ids

ITEMS = 1000  # at most among which a partner is looked for; more make it harder, so the number is said
SHORTEST = 6  # words of a sentence whose halves can mean something
BLOCK_BYTES = 1 << 25


def ranks(query_QD: Vectors, bank_KD: Vectors, group_Q: Vectors, group_K: Vectors) -> Tensor:
    """The place, from 1, of each query's best item of its own group in the bank sorted by cosine; (Q,) int64.

    An item of another group that is *as good* goes first: an encoder whose outputs are all equal finds nothing, instead
    of everything. Several own items (five captions of a picture) count as found with the best of them; the others do
    not push it back. Exact, blocked, fp32. Raises ValueError for a query without any own item.
    """
    query_QD, bank_KD = (normalize(torch.as_tensor(side).float(), dim=1) for side in (query_QD, bank_KD))
    group_Q, group_K = (torch.as_tensor(side).to(query_QD.device) for side in (group_Q, group_K))
    placed = []
    rows = max(1, BLOCK_BYTES // (4 * len(bank_KD)))
    for part_QD, part_Q in zip(query_QD.split(rows), group_Q.split(rows)):
        score_QK = part_QD @ bank_KD.T
        own_QK = part_Q[:, None] == group_K[None, :]
        if not own_QK.any(dim=1).all():
            raise ValueError("group: every query needs at least one item of its own group in the bank.")
        best_Q = score_QK.masked_fill(~own_QK, -torch.inf).amax(dim=1)
        placed.append(((score_QK >= best_Q[:, None]) & ~own_QK).sum(dim=1) + 1)
    return torch.cat(placed) if placed else torch.empty(0, dtype=torch.int64)


def recall_at(rank_Q: Tensor, k: int) -> float:
    """Share of queries whose partner is among the first k. Chance is about k P / K."""
    return (rank_Q <= k).double().mean().item()


def retrieval(
    query_QD: Vectors, bank_KD: Vectors, group_Q: Vectors, group_K: Vectors, *, at: tuple[int, ...] = (1, 5, 10)
) -> dict[str, float]:
    """`recall_at_1`, `recall_at_5`, `recall_at_10` (fractions) and `median_rank` (from 1) in one direction."""
    rank_Q = ranks(query_QD, bank_KD, group_Q, group_K)
    found = {f"recall_at_{k}": recall_at(rank_Q, k) for k in at}
    return found | {"median_rank": rank_Q.double().quantile(0.5).item()}


DIRECTIONS = ("image_to_text", "text_to_image")


def pair_retrieval(image_ND: Vectors, text_MD: Vectors, picture_M: Vectors) -> dict[str, float]:
    """`recall_at_1`, `recall_at_5`, `recall_at_10`, `median_rank`: the mean of both directions; and each one alone.

    picture_M  the row in `image_ND` that each caption belongs to
    A picture has found its captions with the best of them; a caption has one picture. Each direction alone is named
    `image_to_text_recall_at_1` and so on. Chance of recall at k: about k / N for captions, and for pictures with P
    captions each about P k / M, which is the same.
    """
    place_N = torch.arange(len(image_ND))
    both = (
        retrieval(image_ND, text_MD, place_N, picture_M),
        retrieval(text_MD, image_ND, picture_M, place_N),
    )
    mean = {name: (both[0][name] + both[1][name]) / 2 for name in both[0]}
    return mean | {f"{way}_{name}": value for way, found in zip(DIRECTIONS, both) for name, value in found.items()}


def halves(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """(first halves, second halves): disjoint halves of the words, of all sentences of `SHORTEST` words or more."""
    split = [words for words in (text.split() for text in texts) if len(words) >= SHORTEST]
    return [" ".join(w[: len(w) // 2]) for w in split], [" ".join(w[len(w) // 2 :]) for w in split]


def partners(source: Source, seed: int) -> tuple[list[str], list[str]]:
    """(sentences, the partner of each): of pairs anchor and positive, of sentences alone their two halves."""
    if "anchor" in source.columns:
        ids = some(source.ids, ITEMS, "pairs", seed)
        return source.texts(ids, "anchor"), source.texts(ids, "positive")
    first, second = halves(source.texts(some(source.ids, 2 * ITEMS, "halves", seed)))
    return first[:ITEMS], second[:ITEMS]


def partner_recall(first_NH: Tensor, second_NH: Tensor, second: Sequence[str]) -> dict[str, float]:
    """`retrieval` of each item's own partner; equal partners stand for one another."""
    number = {text: place for place, text in enumerate(second)}
    partner_N = torch.tensor([number[text] for text in second])
    return retrieval(first_NH, second_NH, partner_N, partner_N)


RECALL_AT_1 = Metric(
    "recall_at_1",
    "partner found (R@1)",
    "Does the item find its own partner first? This needs no labels.",
    told="{value} of the items find their own partner first among {count:,}",
    decisive=True,
)


class Retrieval(Protocol):
    """Does each item find its partner among up to 1,000?

    of pictures with captions   a caption's picture and a picture's caption, the mean of both
    of pairs of sentences       the anchor's positive
    of sentences alone          the sentence's other half
    """

    name = "retrieval"
    metrics = (
        RECALL_AT_1,
        Metric("recall_at_5", "among first 5 (R@5)", "Is its own partner among the first five?"),
        Metric("recall_at_10", "among first 10 (R@10)", "Is its own partner among the first ten?"),
        Metric("median_rank", "median rank", "The usual place of the own partner; 1 is best.", "", 1, ""),
        ALIGNMENT,
    )
    models = ("pairs", "texts")

    def misfit(self, task: Task) -> Misfit | None:
        source = task.source
        if task.reads == "pairs":
            return None if "text" in source.columns else Misfit(f"{source.name} has no captions", said=False)
        if source.kind not in ("texts", "pairs", "triplets"):
            return Misfit(f"{source.name} holds {source.called}, not sentences or pairs of them", said=False)
        if len(partners(source, task.seed)[0]) < 2:
            few = "pairs" if "anchor" in source.columns else f"sentences have {SHORTEST} words, so their halves"
            return Misfit(f"{source.name}: fewer than two {few} can be told apart")
        return None

    def facts(self, task: Task) -> dict[str, Any]:
        if task.reads == "pairs":
            told = "a caption's picture and a picture's caption, the mean of both,"
            captions = sum(map(len, task.source.captions(self._pictures(task))))
            return {"partner": told, "view_items": len(self._pictures(task)), "captions": captions}
        told = "its positive" if "anchor" in task.source.columns else "the sentence's other half"
        return {"partner": told, "view_items": len(partners(task.source, task.seed)[0])}

    def conditions(self, about: Mapping[str, Any]) -> str:
        if "partner" not in about:
            return ""
        captions = f" and {about['captions']:,} captions" if "captions" in about else ""
        return f"recall: {about['partner']} among {about['view_items']:,}{captions}"

    def chance(self, task: Task) -> dict[str, float]:
        if task.reads == "texts":
            count = len(partners(task.source, task.seed)[0])
            return {f"recall_at_{k}": k / count for k in (1, 5, 10)}
        count = len(self._pictures(task))
        return {f"recall_at_{k}": min(1.0, k / count) for k in (1, 5, 10)} | {"median_rank": (count + 1) / 2}

    def measure(self, features: Features, task: Task) -> Iterator[Measure]:
        found: dict[str, float]
        if task.reads == "texts":
            first, second = partners(task.source, task.seed)
            first_NH, second_NH, count = features.texts(first), features.texts(second), len(second)
            found = partner_recall(first_NH, second_NH, second)
        else:
            ids = self._pictures(task)
            several = task.source.captions(ids)
            owner_M = torch.from_numpy(np.repeat(np.arange(len(several)), [len(group) for group in several]))
            image_NH = features(task.source, ids)
            second_NH, count = features.texts([caption for group in several for caption in group]), len(ids)
            found = pair_retrieval(image_NH, second_NH, owner_M)
            first_NH = image_NH[owner_M]
        for name, value in found.items():
            yield Measure(name, value, wilson(value, count) if name.startswith("recall") else None)
        yield Measure("alignment", alignment(first_NH, second_NH))

    def _pictures(self, task: Task) -> Ids:
        return task.source.ids[:ITEMS]
