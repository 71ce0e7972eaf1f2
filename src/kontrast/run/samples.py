"""DOC kontrast.run.samples."""

from __future__ import annotations
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
import numpy as np
import torch
from kontrast import methods
from kontrast.data import scored_pairs
from kontrast.data.check import check
from kontrast.data.pixels.store import Ids
from kontrast.data.source import CALLED
from kontrast.data.open import Source, open_source
from kontrast.modalities.texts.batches import ROLES
from kontrast.errors import Unfit
from kontrast.positives.images import papers
from kontrast.positives.images.view import Recipe
from kontrast.recipes.resolve import Plan, planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings
from kontrast.distributed import processes


HELD_OUT = 2_000  # samples at most that are kept back for the checks


LEAST_HELD_OUT = 10  # fewer say nothing


FOR_CHECKS = ("dev", "validation", "val", "valid")  # splits of --validate DATA that are taken before all of it


def _rows_taken(source: Source, said: Settings) -> Source:
    """Of rows a, b, label: with the rows for samples and what is similar decided, if the method can learn from them."""
    source, method = scored_pairs.by_rows(source), said.method or "simclr"
    if source.kind != "judged":
        if said.similar_from is not None:
            raise Unfit(f"--similar-from is for rows a, b, score; {source.name} holds {CALLED[source.kind]}.")
        return source
    takes = any(field == "margin" for field, _, _ in methods.numbers(method))
    if not takes or (source.pictures is None) != (methods.entry(method).kind == "texts"):
        raise scored_pairs.refused(source, method)
    return scored_pairs.decided(source, said.similar_from)


def _side(source: Source) -> int:
    """The shorter side of the typical picture, in pixels."""
    sides = [min(shape) for shape, many in source.shapes.items() for _ in range(many)]
    return int(np.median(sides)) if sides else min(source.size or (224, 224))


def _held_out(source: Source, said: Settings) -> tuple[Source | None, Ids, Ids]:
    """(where checks are made, its ids, ids to train on): other data, the data's own test split, or a part kept back."""
    if len(source.ids) < 2:
        raise Unfit(f"{source.name}: {len(source.ids)} usable sample; contrast needs at least 2.")
    if said.validate == "none":
        return None, source.ids[:0], source.ids
    if said.validate not in (None, "part"):
        other = open_source(said.validate, labels=said.labels, columns=said.columns,
                            channels=source.channels if source.channels in (1, 3) else None)  # fmt: skip
        other = scored_pairs.by_rows(other)
        part = next((name for name in FOR_CHECKS if name in other.splits), None)
        other = (other if part is None else other.split(part)).within(source.white if source.bits == 16 else None)
        return other, other.ids, source.ids
    if "test" in source.splits and said.split != "test":
        test_ids = source.splits["test"]
        return source.split("test"), test_ids, np.setdiff1d(source.ids, test_ids)
    count = min(HELD_OUT, len(source.ids) // 10)
    if count < LEAST_HELD_OUT:
        return None, source.ids[:0], source.ids
    train_ids, held_ids = source.held_out(count, said.seed or 0)
    return source.part(held_ids, f"{len(held_ids)} held-out samples of {source.name}"), held_ids, train_ids
