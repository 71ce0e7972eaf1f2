"""Every protocol that fits, on the learned encoder, the weights it began with, random weights and raw input.

Nothing here has a knob that could flatter one column: all see the same items, the same draws and the same definitions
(`VERSION` changes when one of them does). Features are the encoder's output without the head, in eval mode and fp32.

Shapes: M test items, K items of the bank, H feature width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kontrast.data.scored_pairs import by_rows, each_once
from kontrast.data.source import Source
from kontrast.evaluate.embedders import Column, Embedder, Features
from kontrast.evaluate.protocol import Task
from kontrast.evaluate.registry import fitting
from kontrast.evaluate.splits import cleaned, some
from kontrast.keyed import Ids
from kontrast.positives.images.view import Recipe
from kontrast.preprocessing import Preprocessing

VERSION = 2  # 2: nothing tested in a bank, norms of random weights calibrated, many draws of views of few items
GEOMETRY_ITEMS = 5000


def measured(
    columns: Mapping[str, Column],
    task: Task,
    *,
    protocols: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`{column: {metric: value}, ..., "about": {...}}`, ready for JSON; fractions lie between 0 and 1.

    columns    name -> how it looks at the data: "learned", "before", "random_weights", "raw_input"
    protocols  names in `registry.PROTOCOLS`; None: all that fit. The geometry is always given
    about      more to say about the encoder (network, layer, weights, notes); added to `about` of the result

    Raises Unfit for a protocol that the data cannot answer.
    """
    chosen, notes = fitting(task, protocols)
    more = dict(about or {})
    notes += more.pop("notes", [])
    facts: dict[str, Any] = {"version": VERSION, "data": task.rows.name, "items": len(task.rows.ids), "seed": task.seed}
    chances: dict[str, float] = {}
    for protocol in chosen:
        facts |= protocol.facts(task)
        chances |= protocol.chance(task)
        notes += [note for note in protocol.notes(task) if note not in notes]
    result: dict[str, Any] = {}
    ranges: dict[str, dict[str, list[float]]] = {}
    widths: dict[str, int] = {}
    for name, column in columns.items():
        twin = next((other for other in result if columns[other] == column), None)
        if twin is not None:  # the weights it began with are the random ones: measured once
            result[name], ranges[name], widths[name] = dict(result[twin]), dict(ranges[twin]), widths[twin]
            continue
        features = Features(column)
        every = [measure for protocol in chosen for measure in protocol.measure(features, task)]
        found = [one for one in every if math.isfinite(one.value)]
        notes += [f"{one.metric} of {name} is not a number and is left out" for one in every if one not in found]
        result[name] = {one.metric: one.value for one in found}
        ranges[name] = {one.metric: list(one.around) for one in found if one.around is not None}
        widths[name] = features.width
    facts |= {"width": widths, "chance": chances, "range": ranges, "notes": notes}
    return result | {"about": facts | more}


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
    """`measured`, of encoders of pictures.

    source  what is tested: its usable ids, and its labels if it has some. Of rows a, b, label the cosine of each two is
            held beside the label (`evaluate.scored_pairs`); all else sees each picture once
    bank    labelled data that neighbours and probes may learn from; whatever is tested is left out of it, by content.
            None: halves of `source`, stratified, 5 draws. Labels are compared by class name
    recipe  how the two fresh views of the `views` protocol are drawn; None: that protocol does not fit
    """
    rows = by_rows(source)
    pictures = each_once(rows)
    bank, note = cleaned(None if bank is None else each_once(by_rows(bank)), pictures)
    task = Task(
        "images",
        rows,
        pictures,
        bank=bank,
        bank_note=note,
        recipe=recipe,
        cloud=some(pictures.ids, GEOMETRY_ITEMS, "geometry", seed),
        seed=seed,
    )
    named = {name: Column(pictures=embed) for name, embed in columns.items()}
    return measured(named, task, protocols=protocols, about=about)


def raw_pixels(source: Source, ids: Ids) -> Tensor:
    """The raw-input column: the pixels themselves, from 0 to 1, shorter side at most 32, flattened to (M, C·S·S)."""
    size = min(32, *(source.size or (32,)))
    as_is = Preprocessing(size, (0.0,) * source.channels, (1.0,) * source.channels)
    parts = [ids[i : i + 1024] for i in range(0, len(ids), 1024)]
    return torch.cat([as_is(source.images(part), white=source.white).flatten(1) for part in parts])
