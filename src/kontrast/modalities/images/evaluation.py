"""DOC kontrast.modalities.images.evaluation."""

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
from kontrast.evaluate.labelled import Ids, LABELLED, DRAWS, _fitting, _counts, _judged, _averaged, _chances
from kontrast.evaluate.embedders import Embedder
from kontrast.evaluate.intervals import wilson


VERSION = 1


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

    Of rows a, b, label the cosine of each two is held beside the label (`evaluate.judged`); all else sees each picture
    once.

    Raises Unfit for a protocol that the data cannot answer. Labels are compared by class name.
    """
    rows = by_rows(source)
    source, bank = each_once(rows), None if bank is None else each_once(by_rows(bank))
    chosen, notes = _fitting(source, bank, recipe, protocols)
    test_ids, answer_M = labelled(source) if set(chosen) & set(LABELLED) else (source.ids, np.zeros(0, np.int64))
    items = some(source.ids, ITEMS, "views", seed)
    shape_ids = some(source.ids, GEOMETRY_ITEMS, "geometry", seed)
    said: dict[str, Any] = {"version": VERSION, "data": source.name, "items": len(rows.ids), "seed": seed}
    bank_ids, label_K, splits = test_ids, answer_M, []
    if set(chosen) & set(LABELLED):
        if bank is None:
            splits = [halves(answer_M, seed, draw) for draw in range(DRAWS)]
            said["bank"] = f"half of {source.name}, stratified, mean of {DRAWS} draws"
        else:
            bank_ids, label_K = labelled(bank)
            answer_M = renamed(answer_M, source.classes, bank.classes)
            splits = [(np.arange(len(bank_ids)), np.arange(len(test_ids)))]
            said["bank"] = bank.name
        said |= _counts(label_K, answer_M, splits[0], notes)
    if "views" in chosen:
        said |= {"views": recipe.name if recipe else "", "view_items": len(items)}

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
                _judged(
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
        if rows.kind == "judged":
            first_RH, second_RH = embed(rows, rows.ids).float(), embed(rows, Second(rows).partner(rows.ids)).float()
            agreed, within = scored_pairs.agreement(pairwise(first_RH, second_RH), rows)
            found, around = found | agreed, around | within
        shape_NH = embed(source, shape_ids).float()
        found["uniformity"] = geometry.uniformity(shape_NH)
        found["effective_rank"] = geometry.effective_rank(shape_NH)
        said.setdefault("width", {})[name] = shape_NH.shape[1]
        result[name], ranges[name] = found, around
    chances = _chances(chosen, answer_M, label_K, splits, len(items))
    chances |= scored_pairs.CHANCE if rows.kind == "judged" else {}
    return result | {"about": said | {"chance": chances, "range": ranges, "notes": notes} | dict(about or {})}


def raw_pixels(source: Source, ids: Ids) -> Tensor:
    """The raw-input column: the pixels themselves, from 0 to 1, shorter side at most 32, flattened to (M, C·S·S)."""
    size = min(32, *(source.size or (32,)))
    as_is = [0.0] * source.channels, [1.0] * source.channels
    parts = [ids[i : i + 1024] for i in range(0, len(ids), 1024)]
    return torch.cat([prepare(source.images(part), size, *as_is, white=source.white).flatten(1) for part in parts])
