"""From whom neighbours and probes learn when a model is evaluated: what is tested is never among them.

    --train-data D                the training part of D
    DATA with a training split    that split, when another one is tested
    a run folder                  the training part of the run's own data, if it is labelled and other data
    none of these                 halves of what is tested (`evaluate.splits`)

Items that are tested are taken out by content, wherever they come from (`evaluate.splits.cleaned`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kontrast.data.open import open_source
from kontrast.data.source import Source, training_part
from kontrast.errors import Unfit
from kontrast.evaluate.labelled import Labelled
from kontrast.evaluate.registry import protocol_named
from kontrast.modalities.modality import Request

EMBEDDED = ("digits", "emoji")


def chosen(path: Path, data: Any, source: Source, request: Request, channels: int | None) -> tuple[Source | None, str]:
    """(the bank or None, what to say about its choice) for testing `source`, opened from `data`.

    path: the run or model folder. Unfit where --train-data has no labels.
    """
    how: dict[str, Any] = {"labels": request.labels, "channels": channels, "follow_links": request.follow_links}
    if request.train_data is not None:
        bank = open_source(request.train_data, **how)
        if bank.labels is None:
            raise Unfit(
                f"--train-data {request.train_data} has no labels; name them with --labels folder or --labels COLUMN."
            )
        part = training_part(bank)
        return part, f"bank     {part.name}: {len(part.ids):,} items of --train-data, its training part"
    labelled = [name for name in request.protocols if isinstance(protocol_named(name), Labelled)]
    if source.labels is None or (request.protocols and not labelled):
        return None, ""
    tested = next((name for name, ids in source.splits.items() if set(source.ids.tolist()) <= set(ids.tolist())), None)
    if tested not in (None, "train") and "train" in source.splits:
        bank = open_source(data, split="train", **how)
        return bank, f"bank     {bank.name}: {len(bank.ids):,} items, its own training split"
    return _of_the_run(path, data, request, channels)


def _of_the_run(path: Path, data: Any, request: Request, channels: int | None) -> tuple[Source | None, str]:
    config = path / "config.yaml"
    written = yaml.safe_load(config.read_text()) if config.is_file() else {}
    own = written.get("data")
    if own is None or _same(own, data) or not (Path(own).exists() or own in EMBEDDED):
        return None, ""
    try:
        bank = open_source(
            own,
            labels=request.labels or written.get("labels"),
            split=written.get("split"),
            columns=written.get("columns"),
            channels=channels,
        )
    except Unfit as problem:
        return None, f"bank     not the run's own training data: {problem}"
    if bank.labels is None:
        return None, ""
    part = bank if written.get("split") else training_part(bank)
    return part, f"bank     {part.name}: {len(part.ids):,} items, the run's own labelled training data"


def _same(own: Any, data: Any) -> bool:
    """Whether both name the same data."""
    if not isinstance(data, str | Path):
        return False
    return str(own) == str(data) or Path(str(own)).resolve() == Path(data).resolve()
