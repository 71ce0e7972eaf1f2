"""Every test that fits the data: on the learned encoder, the weights it began with, random weights and raw input.

Nothing here has a knob that could flatter one column: all see the same items, the same draws and the same definitions
(`VERSION` changes when one of them does). Features are the encoder's output without the head, in eval mode and fp32.

Shapes: M test items, K items of the bank, H feature width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast.data.scored_pairs import Second, by_rows, each_once
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import geometry, scored_pairs
from kontrast.evaluate.kmeans import kmeans
from kontrast.evaluate.few_label import few_label
from kontrast.evaluate.knn import knn_predict, neighbours_to_ask
from kontrast.evaluate.linear import linear_probe
from kontrast.evaluate.splits import Split, halves, labelled, renamed, some
from kontrast.evaluate.view_retrieval import ITEMS, drawn, view_recall
from kontrast.evaluate.formatting import sentence, table
from kontrast.positives.images.view import Recipe
from kontrast.positives.images import prepare
from kontrast.similarity import pairwise
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.embedders import Embedder
from kontrast.modalities.images.evaluation import evaluate, raw_pixels, VERSION

__all__ = ["PROTOCOLS", "Embedder", "evaluate", "raw_pixels", "sentence", "table", "wilson"]

Ids: TypeAlias = npt.NDArray[np.int64]

LABELLED = ("knn", "linear", "kmeans", "few_label")
PROTOCOLS = (*LABELLED, "views")
DRAWS = 5  # of stratified halves, when there is no labelled bank
FEW_DRAWS = 100
TEMPERATURE = 0.1








def _fitting(
    source: Source, bank: Source | None, recipe: Recipe | None, protocols: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """The protocols to run, and what to say about those that do not fit."""
    unknown = [name for name in protocols or () if name not in PROTOCOLS]
    if unknown:
        raise Unfit(f"Protocol {unknown[0]!r} is not known. Choose from {', '.join(PROTOCOLS)}.")
    reasons: dict[str, str] = {}
    for which, role in ((source, "test"), (bank, "bank")):
        if which is None:
            continue
        known = np.zeros(0, np.int64) if which.labels is None else which.labels[which.ids]
        if len(np.unique(known[known >= 0])) < 2:
            reasons |= dict.fromkeys(LABELLED, f"the {role} data ({which.name}) names fewer than two classes")
        elif bank is None and np.unique(known[known >= 0], return_counts=True)[1].max() < 2:
            reasons |= dict.fromkeys(LABELLED, f"no class of {which.name} has two items to split into bank and test")
    if recipe is None:
        reasons["views"] = "no recipe says how to draw views of this data"
    elif len(source.ids) < 2:
        reasons["views"] = "one item alone cannot be confused with another"
    for name in protocols or ():
        if name in reasons:
            raise Unfit(f"Protocol {name!r} does not fit: {reasons[name]}.")
    left_out = sorted({reason for name, reason in reasons.items() if protocols is None})
    return [name for name in protocols or PROTOCOLS if name not in reasons], [f"left out: {why}" for why in left_out]


def _counts(label_K: Ids, answer_M: Ids, split: Split, notes: list[str]) -> dict[str, Any]:
    rows, asked = split
    strangers = int((~np.isin(answer_M, label_K)).sum())
    if strangers:
        notes.append(f"{strangers} test items belong to classes that the bank lacks and count as errors")
    return {
        "bank_items": len(rows),
        "test_items": len(asked),
        "classes": len(np.unique(label_K[rows])),
        "k": neighbours_to_ask(len(rows)),
        "temperature": TEMPERATURE,
        "few_label_draws": FEW_DRAWS,
    }


def _judged(
    chosen: Sequence[str],
    *,
    bank: tuple[Tensor, Ids, Ids],
    test: tuple[Tensor, Ids],
    seed: int,
) -> dict[str, tuple[float, float, float]]:
    """Value, and the range over draws where there are draws (else nan), of each metric on one split."""
    (bank_KH, label_K, bank_ids), (test_MH, answer_M) = bank, test
    answer, exact = torch.from_numpy(answer_M), (math.nan, math.nan)
    found: dict[str, tuple[float, float, float]] = {}
    if "knn" in chosen:
        classes = int(max(label_K.max(), answer_M.max())) + 1
        guess_M = knn_predict(test_MH, bank_KH, torch.from_numpy(label_K), classes=classes, temperature=TEMPERATURE)
        found["knn_top1"] = ((guess_M == answer).double().mean().item(), *exact)
    if "linear" in chosen:
        guess_M = linear_probe(bank_KH, torch.from_numpy(label_K), seed=seed).predict(test_MH)
        found["linear_top1"] = ((guess_M == answer).double().mean().item(), *exact)
    if "kmeans" in chosen:
        grouped = kmeans(bank_KH, test_MH, answer, clusters=len(np.unique(label_K)), seed=seed)
        found |= {"kmeans_accuracy": (grouped.accuracy, *exact), "nmi": (grouped.nmi, *exact)}
    if "few_label" in chosen:
        few = few_label(bank_KH, torch.from_numpy(label_K), test_MH, answer, draws=FEW_DRAWS, seed=seed, ids_K=bank_ids)
        found |= {f"few_label_{shot}": (seen.mean, seen.low, seen.high) for shot, seen in few.items()}
    return found


def _averaged(
    per_split: list[dict[str, tuple[float, float, float]]], asked: int
) -> tuple[dict[str, float], dict[str, list[float]]]:
    found, around = {}, {}
    for metric in per_split[0]:
        value, low, high = np.mean([seen[metric] for seen in per_split], axis=0).tolist()
        found[metric] = value
        if not math.isnan(low):
            around[metric] = [low, high]
        elif metric != "nmi":
            around[metric] = wilson(value, asked)
    return found, around


def _chances(chosen: Sequence[str], answer_M: Ids, label_K: Ids, splits: list[Split], items: int) -> dict[str, float]:
    """What guessing reaches: always the largest class; for a few labels and clusters any class; any item for views."""
    chances: dict[str, float] = {}
    if splits:
        largest = float(np.unique(answer_M, return_counts=True)[1].max() / len(answer_M))
        even = 1 / len(np.unique(label_K))
        by_protocol = {
            "knn": {"knn_top1": largest},
            "linear": {"linear_top1": largest},
            "kmeans": {"kmeans_accuracy": even, "nmi": 0.0},
            "few_label": {f"few_label_{shot}": even for shot in (1, 5, 10)},
        }
        chances = {
            name: at for protocol in chosen if protocol in by_protocol for name, at in by_protocol[protocol].items()
        }
    return chances | ({"recall_at_1": 1 / items} if "views" in chosen else {})
