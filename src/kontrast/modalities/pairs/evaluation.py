"""`kontrast evaluate` of two towers, on pictures with captions or labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.evaluate import formatting, suite, two_towers, zero_shot
from kontrast.evaluate.registry import protocol_named
from kontrast.modalities.images.bank import chosen
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import Request
from kontrast.modalities.pairs.model import load_pairs
from kontrast.modalities.widths import of_run


def evaluated(path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a run or a folder with two towers, on pictures and captions.

    Protocols for pictures alone (on labels, such as knn) are measured too where they are asked for by name.
    """
    classes = request.classes
    from_file = classes is not None and Path(classes).is_file()
    labels = request.labels if classes is None or from_file else classes
    source = open_source(data, labels=labels, split=request.split, channels=3, follow_links=request.follow_links)
    if source.pictures is None:
        raise Unfit(f"{source.name} holds {source.kind}; two towers are tested on pictures with captions or labels.")
    if request.split is None and len(source.splits.get("test", ())):
        source = source.split("test")
    columns, measured = columns_of(load_pairs(path), None, request.seed, (source, source.ids), of_run(path))
    columns.pop("before")
    names = zero_shot.class_names(Path(classes)) if from_file and classes is not None else None
    of_pictures = [name for name in request.protocols if "pairs" not in protocol_named(name).models]
    others = [name for name in request.protocols if name not in of_pictures]
    result: dict[str, Any] = {}
    lines: list[str] = []
    if of_pictures:
        embedders = {name: model.embed_source for name, model in columns.items()} | {"raw_input": suite.raw_pixels}
        bank, told = chosen(path, data, source, replace(request, labels=labels), 3)
        result = suite.evaluate(embedders, source, bank=bank, protocols=of_pictures, seed=request.seed)
        lines = [*([told] if told else []), *formatting.table(result), formatting.sentence(result)]
    if others or not of_pictures:
        sentences = zero_shot.templates(request.templates or "7")
        found = two_towers.evaluate(
            columns, source, source.ids, classes=names, sentences=sentences, protocols=others or None
        )
        lines = [*lines, *formatting.table(found), two_towers.sentence(found)]
        chance = {**result.get("about", {}).get("chance", {}), **found["about"]["chance"]}
        result = {name: {**result.get(name, {}), **found.get(name, {})} for name in [*found, *result]}
        result["about"] |= {"chance": chance}
    result["about"]["notes"] += [measured] if measured else []
    return result, lines
