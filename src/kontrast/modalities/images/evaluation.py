"""`kontrast evaluate` of a picture encoder: which data, which bank, beside which columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import formatting, suite
from kontrast.evaluate.embedders import Embedder
from kontrast.modalities.images import bank as bank_of
from kontrast.modalities.images.model import Model, load
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import Request
from kontrast.modalities.widths import of_run
from kontrast.positives.images import papers
from kontrast.positives.images.view import Recipe


def embedders(columns: Mapping[str, Model]) -> dict[str, Embedder]:
    """What the tests call, with the raw pixels beside the encoders."""
    found: dict[str, Embedder] = {name: model.embed_source for name, model in columns.items()}
    return found | {"raw_input": suite.raw_pixels}


def about(model: Model) -> dict[str, Any]:
    """What is measured, in words."""
    return {"network": model.spec["name"], "layer": "encoder output"}


def evaluated(path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a run or model folder on pictures."""
    if request.classes is not None or request.templates is not None:
        raise Unfit("--classes and --templates are for zero-shot, which needs a model of pictures and words (clip).")
    learned = load(path)
    how: dict[str, Any] = {"labels": request.labels, "follow_links": request.follow_links}
    source = open_source(data, split=request.split, channels=_channels(learned), **how)
    messages = []
    if request.split is None and len(source.splits.get("test", ())):
        messages.append(f"split    {source.name} names a test split: only that is used; --split names another")
        source = source.split("test")
    bank, told = bank_of.chosen(path, data, source, request, _channels(learned))
    messages += [told] if told else []
    look = source if bank is None else bank
    columns, measured = columns_of(learned, None, request.seed, (look, look.ids), of_run(path))
    columns.pop("before")
    result = suite.evaluate(
        embedders(columns),
        source,
        bank=bank,
        recipe=_recipe(path, learned, source),
        protocols=request.protocols or None,
        seed=request.seed,
        about=about(learned) | {"notes": [measured] if measured else []},
    )
    return result, [*messages, *formatting.table(result), formatting.sentence(result)]


def _channels(model: Model) -> int | None:
    """As files can be read: grey or colour; other pictures come as they are."""
    channels: int = model.spec["channels"]
    return channels if channels in (1, 3) else None


def _recipe(path: Path, model: Model, source: Source) -> Recipe:
    """How fresh views are drawn: as the run did, else as SimCLR does at this size."""
    config = path / "config.yaml"
    named = yaml.safe_load(config.read_text()).get("views") if config.is_file() else None
    small = "simclr-cifar" if model.image_size <= 64 else "simclr"
    recipe = papers.recipe(named or small, model.image_size, model.spec["channels"])
    return replace(recipe, white=model.look.white or source.white)
