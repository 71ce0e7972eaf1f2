"""Every test that fits pictures: on the learned encoder, the weights it began with, random weights and raw input.

Nothing here has a knob that could flatter one column: all see the same items, the same draws and the same definitions
(`VERSION` changes when one of them does). Features are the encoder's output without the head, in eval mode and fp32.

Shapes: M test items, K items of the bank, H feature width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kontrast.data.scored_pairs import Second, by_rows, each_once
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import geometry, scored_pairs
from kontrast.evaluate.embedders import Embedder
from kontrast.evaluate.few_label import few_label
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.kmeans import kmeans
from kontrast.evaluate.knn import knn_predict, neighbours_to_ask
from kontrast.evaluate.linear import linear_probe
from kontrast.evaluate.splits import Split, halves, labelled, renamed, some
from kontrast.evaluate.view_retrieval import ITEMS, drawn, view_recall
from kontrast.keyed import Ids
from kontrast.positives.images.view import Recipe
from kontrast.preprocessing import Preprocessing
from kontrast.similarity import pairwise

VERSION = 1
LABELLED = ("knn", "linear", "kmeans", "few_label")
PROTOCOLS = (*LABELLED, "views")
DRAWS = 5  # of stratified halves, when there is no labelled bank
FEW_DRAWS = 100
TEMPERATURE = 0.1
GEOMETRY_ITEMS = 5000


def evaluate(
    columns: Mapping[str, Embedder],
    source: Source,
    *,
    bank: Source | None = None,
    recipe: Recipe | None = None,
    protocols: Sequence[str] | None = None,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`{column: {metric: value}, ..., "about": {...}}`, ready for JSON; fractions lie between 0 and 1.

    columns    name -> embedder: "learned", "before", "random_weights", "raw_input"
    source     what is tested: its usable ids, and its labels if it has some
    bank       labelled data that neighbours and probes may learn from. None: halves of `source`, stratified, 5 draws
    recipe     how the two fresh views of the `views` protocol are drawn; None: that protocol does not fit
    protocols  of `knn, linear, kmeans, few_label, views`; None: all that fit. The geometry is always given
    about      more to say about the encoder (network, layer, weights); added to `about` of the result

    Of rows a, b, label the cosine of each two is held beside the label (`evaluate.scored_pairs`); all else sees each
    picture once.

    Raises Unfit for a protocol that the data cannot answer. Labels are compared by class name.
    """
    rows = by_rows(source)
    source, bank = each_once(rows), None if bank is None else each_once(by_rows(bank))
    chosen, notes = _fitting(source, bank, recipe, protocols)
    test_ids, answer_M = labelled(source) if set(chosen) & set(LABELLED) else (source.ids, np.zeros(0, np.int64))
    items = some(source.ids, ITEMS, "views", seed)
    shape_ids = some(source.ids, GEOMETRY_ITEMS, "geometry", seed)
    facts: dict[str, Any] = {"version": VERSION, "data": source.name, "items": len(rows.ids), "seed": seed}
    bank_ids, label_K, splits = test_ids, answer_M, []
    if set(chosen) & set(LABELLED):
        if bank is None:
            splits = [halves(answer_M, seed, draw) for draw in range(DRAWS)]
            facts["bank"] = f"half of {source.name}, stratified, mean of {DRAWS} draws"
        else:
            bank_ids, label_K = labelled(bank)
            answer_M = renamed(answer_M, source.classes, bank.classes)
            splits = [(np.arange(len(bank_ids)), np.arange(len(test_ids)))]
            facts["bank"] = bank.name
        facts |= _counts(label_K, answer_M, splits[0], notes)
    if "views" in chosen:
        facts |= {"views": recipe.name if recipe else "", "view_items": len(items)}

    result: dict[str, Any] = {}
    ranges: dict[str, dict[str, list[float]]] = {}
    for name, embed in columns.items():
        twin = next((other for other in result if columns[other] == embed), None)
        if twin is not None:  # the weights it began with are the random ones: measured once
            result[name], ranges[name] = dict(result[twin]), dict(ranges[twin])
            continue
        found: dict[str, float] = {}
        around: dict[str, list[float]] = {}
        if splits:
            test_MH = embed(source, test_ids).float()
            bank_KH = test_MH if bank is None else embed(bank, bank_ids).float()
            per_split = [
                _measured(
                    chosen,
                    bank=(bank_KH[rows], label_K[rows], bank_ids[rows]),
                    test=(test_MH[asked], answer_M[asked]),
                    seed=seed,
                )
                for rows, asked in splits
            ]
            found, around = _averaged(per_split, len(splits[0][1]))
        if "views" in chosen and recipe is not None:
            first_NH, second_NH = (embed(view, items).float() for view in drawn(source, recipe, seed))
            found["recall_at_1"] = view_recall(first_NH, second_NH)
            around["recall_at_1"] = wilson(found["recall_at_1"], len(items))
            found["alignment"] = geometry.alignment(first_NH, second_NH)
        if rows.kind == "scored_pairs":
            first_RH, second_RH = embed(rows, rows.ids).float(), embed(rows, Second(rows).partner(rows.ids)).float()
            agreed, within = scored_pairs.agreement(pairwise(first_RH, second_RH), rows)
            found, around = found | agreed, around | within
        shape_NH = embed(source, shape_ids).float()
        found["uniformity"] = geometry.uniformity(shape_NH)
        found["effective_rank"] = geometry.effective_rank(shape_NH)
        facts.setdefault("width", {})[name] = shape_NH.shape[1]
        result[name], ranges[name] = found, around
    chances = _chances(chosen, answer_M, label_K, splits, len(items))
    chances |= scored_pairs.CHANCE if rows.kind == "scored_pairs" else {}
    return result | {"about": facts | {"chance": chances, "range": ranges, "notes": notes} | dict(about or {})}


def raw_pixels(source: Source, ids: Ids) -> Tensor:
    """The raw-input column: the pixels themselves, from 0 to 1, shorter side at most 32, flattened to (M, C·S·S)."""
    size = min(32, *(source.size or (32,)))
    as_is = Preprocessing(size, (0.0,) * source.channels, (1.0,) * source.channels)
    parts = [ids[i : i + 1024] for i in range(0, len(ids), 1024)]
    return torch.cat([as_is(source.images(part), white=source.white).flatten(1) for part in parts])


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


def _measured(
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
