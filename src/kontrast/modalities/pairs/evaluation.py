"""`kontrast evaluate` of two towers, on pictures with captions or labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.evaluate import formatting, suite, two_towers, zero_shot
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import Request
from kontrast.modalities.pairs.model import load_pairs


def evaluated(path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a run or a folder with two towers, on pictures and captions.

    protocols  "retrieval", "zero_shot", and those on labels: "knn", "linear", "kmeans", "few_label"
    """
    classes = request.classes
    from_file = classes is not None and Path(classes).is_file()
    labels = request.labels if classes is None or from_file else classes
    source = open_source(data, labels=labels, split=request.split, channels=3)
    if source.pictures is None:
        raise Unfit(f"{source.name} holds {source.kind}; two towers are tested on pictures with captions or labels.")
    if request.split is None and "test" in source.splits:
        source = source.split("test")
    columns = columns_of(load_pairs(path), None, request.seed)
    columns.pop("before")
    names = zero_shot.class_names(Path(classes)) if from_file and classes is not None else None
    on_labels = [name for name in request.protocols if name in suite.LABELLED]
    others = [name for name in request.protocols if name not in on_labels]
    result: dict[str, Any] = {}
    lines: list[str] = []
    if on_labels:
        embedders = {name: model.embed_source for name, model in columns.items()} | {"raw_input": suite.raw_pixels}
        result = suite.evaluate(embedders, source, protocols=on_labels, seed=request.seed)
        lines = [*formatting.table(result), formatting.sentence(result)]
    if others or not on_labels:
        sentences = zero_shot.templates(request.templates or "7")
        found = two_towers.evaluate(
            columns, source, source.ids, classes=names, sentences=sentences, protocols=others or None
        )
        lines = [*lines, *two_towers.table(found), two_towers.sentence(found)]
        chance = {**result.get("about", {}).get("chance", {}), **found["about"]["chance"]}
        result = {name: {**result.get(name, {}), **found.get(name, {})} for name in [*found, *result]}
        result["about"] |= {"chance": chance}
    return result, lines
