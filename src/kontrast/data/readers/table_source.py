"""The source that follows from a table: words cleaned, pictures read, rows that cannot be used named."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kontrast.data import labels as labels_of
from kontrast.data.labels import missing
from kontrast.data.pixels.store import Skipped
from kontrast.data.readers.arrow import EncodedColumn
from kontrast.data.readers.columns import WORDS, Roles, assign, beside, column_for, understood
from kontrast.data.readers.files import holds_pictures, reader
from kontrast.data.readers.images import of_pictures
from kontrast.data.readers.tables import Table
from kontrast.data.readers.words import cleaned_words, scores
from kontrast.data.source import CALLED, Kind, Options, Source, fingerprint, stop_if_broken
from kontrast.data.splits import canonical
from kontrast.errors import Unfit, shown
from kontrast.keyed import Ids


def from_table(table: Table, options: Options) -> Source:
    """The source that a table describes."""
    roles = assign(table, options)
    column = roles.column
    if roles.kind == "scored_pairs" and holds_pictures(table.columns[column["first"]], table.folder):
        return _scored_pictures(table, column, options)
    messages = [*table.messages, understood(table, roles)]
    splits = _splits(table, options, messages)
    labels, classes = _labels(table, roles, options, messages)
    groups = _groups(table, options.same, messages)
    wanted = np.arange(table.rows) if options.split is None else splits[canonical(options.split)]
    wanted = np.setdiff1d(wanted, np.array(table.blank, dtype=np.int64))
    words = {role: table.columns[column[role]] for role in WORDS if role in column}
    empty, cleaned = cleaned_words(words, wanted, str(table.path), messages)
    if "score" in column and roles.kind == "scored_pairs":
        cleaned["score"] = scores(table.columns[column["score"]], column["score"], str(table.path))
        empty |= {row: "no score" for row in wanted.tolist() if math.isnan(cleaned["score"][row]) and row not in empty}
    if "image" in column:
        source = _with_pictures(table, column["image"], wanted, options, empty=empty, messages=messages)
    else:
        source = _of_words(table, roles.kind, wanted, options, empty=empty, messages=messages)
    kind = "judged" if roles.kind == "scored_pairs" else roles.kind  # its old name: fingerprints in checkpoints have it
    digests = {row: repr([values[row] for values in cleaned.values()]).encode() for row in source.ids.tolist()}
    return replace(
        source,
        kind=roles.kind,
        columns=cleaned,
        labels=labels,
        classes=classes,
        groups=source.groups if groups is None else groups,
        splits={name: np.intersect1d(ids, source.ids) for name, ids in splits.items()},
        beside=beside(table, roles) if options.beside else {},
        fingerprint=fingerprint(source.names, digests, source.fingerprint, kind),
    )


def _of_words(
    table: Table, kind: Kind, wanted: Ids, options: Options, *, empty: Mapping[int, str], messages: list[str]
) -> Source:
    """Rows without pictures, of which the empty ones are skipped and named."""
    skipped = tuple(Skipped(row, f"row {row + 1}", reason) for row, reason in sorted(empty.items()))
    ids = np.array([row for row in wanted.tolist() if row not in empty], dtype=np.int64)
    stop_if_broken(str(table.path), skipped, len(ids), options.strict)
    if not len(ids):
        raise Unfit(f"{table.path} has no rows that can be used.")
    if skipped:
        messages.append(f"{len(skipped):,} skipped; the first is {skipped[0].name}: {skipped[0].reason}")
    names = [f"row {row + 1}" for row in range(table.rows)]
    messages.insert(0, f"{len(ids):,} {CALLED[kind]}")
    return Source(shown(str(table.path)), kind, names, ids, "", skipped=skipped, messages=tuple(messages))


def _splits(table: Table, options: Options, messages: list[str]) -> dict[str, Ids]:
    name = column_for(table, "split", options)
    if name is None:
        if options.split is not None:
            raise Unfit(f"split: {table.path} has no column 'split'; name it with --columns split=NAME.")
        return {}
    values = np.array(["" if missing(value) else canonical(str(value)) for value in table.columns[name]])
    splits = {str(value): np.flatnonzero(values == value) for value in dict.fromkeys(values.tolist()) if value}
    if options.split is not None and canonical(options.split) not in splits:
        raise Unfit(f"split: {table.path} has no rows of split {options.split!r}; it has {', '.join(splits)}.")
    parts = ", ".join(f"{part} {len(rows):,}" for part, rows in splits.items())
    alone = int((values == "").sum())
    parts += f", {alone:,} rows in none" if alone else ""
    messages.append(shown(f"splits: {parts}; {options.split + ' chosen' if options.split else 'all taken'}"))
    return splits


def _labels(table: Table, roles: Roles, options: Options, messages: list[str]) -> tuple[Ids | None, tuple[str, ...]]:
    asked = options.labels
    if asked is not None and not isinstance(asked, str):
        return labels_of.given(asked, table.rows, str(table.path))
    if asked is not None and asked not in table.columns:
        raise Unfit(f"labels: {table.path} has no column {asked!r}; it has {', '.join(table.columns)}.")
    name = asked or column_for(table, "label", options)
    if name is None or (asked is None and name in roles.column.values()):
        return None, ()
    values = table.columns[name]
    row = labels_of.several(values)
    if row is not None:
        what = f"row {row + 1:,} of column {name!r} holds a {type(values[row]).__name__}, not one label"
        if asked is not None:
            raise Unfit(f"labels: {table.path}: {what}; give a column with one label a row.")
        messages.append(shown(f"no labels: {what}; the column is left out"))
        return None, ()
    declared = table.classes.get(name)
    if declared:
        labels, classes = labels_of.declared(values, declared), tuple(map(shown, declared))
    else:
        labels, classes = labels_of.numbered(values)
        if name == "label" and "label_name" in table.columns:
            first = {int(label): row for row, label in reversed(list(enumerate(labels)))}
            classes = tuple(shown(str(table.columns["label_name"][first[label]])) for label in range(len(classes)))
    unlabelled = labels_of.unlabelled(values)
    messages.append(
        shown(
            f"labels for evaluation only: column {name!r}, {len(classes):,} classes"
            + (f", {unlabelled}" if unlabelled else "")
        )
    )
    return labels, classes


def _groups(table: Table, same: str | None, messages: list[str]) -> Ids | None:
    if same is None:
        return None
    if same not in table.columns:
        raise Unfit(f"same: {table.path} has no column {same!r}; it has {', '.join(table.columns)}.")
    row = labels_of.several(table.columns[same])
    if row is not None:
        raise Unfit(f"same: {table.path}: row {row + 1:,} of column {same!r} holds several values, not one group.")
    groups, named = labels_of.numbered(table.columns[same])
    alone = groups < 0
    groups[alone] = len(named) + np.flatnonzero(alone)
    messages.append(shown(f"positives from the same {same!r}: {len(named):,} groups"))
    return groups


def _with_pictures(
    table: Table,
    image: str,
    wanted: Ids,
    options: Options,
    *,
    empty: Mapping[int, str],
    messages: list[str],
) -> Source:
    """Pictures by row: encoded in the table, or files beside it. Rows that name one file share its pixels."""
    values = table.columns[image]
    shares: Ids | None = None
    if isinstance(values, EncodedColumn):
        names = [f"row {row + 1}" for row in range(table.rows)]
    else:
        named = {row: str(value) for row, value in enumerate(values) if _is_name(value)}
        names = [named.get(row, f"row {row + 1}") for row in range(table.rows)]
        first: dict[str, int] = {}
        leads = np.array([first.setdefault(name, row) for row, name in enumerate(names)])
        if len(first) < table.rows:
            shares = leads
            messages.append(f"{len(first):,} pictures in {table.rows:,} rows: rows of one picture are never negatives")
    read = reader(values, table.folder, options.follow_links)
    source = of_pictures(str(table.path), names, read, wanted.tolist(), options, refused=empty, shares=shares)
    return replace(source, groups=shares, messages=(*messages, *source.messages))


def _scored_pictures(table: Table, column: Mapping[str, str], options: Options) -> Source:
    """Rows of two picture files and a number: the pictures are the samples, sorted by name; `scored` tells the rows."""
    first, second = (list(map(str, table.columns[column[role]])) for role in ("first", "second"))
    score_of = scores(table.columns[column["score"]], column["score"], str(table.path))
    names = sorted({*first, *second})
    place = {name: sample for sample, name in enumerate(names)}
    read = reader(names, table.folder, options.follow_links)
    messages = list(table.messages)
    splits = _splits(table, options, messages)
    wanted = range(table.rows) if options.split is None else splits[canonical(options.split)].tolist()
    seen = sorted({place[side[row]] for side in (first, second) for row in wanted})
    source = of_pictures(str(table.path), names, read, seen, options)
    usable = set(source.ids.tolist())
    pairs = {row: (place[first[row]], place[second[row]], score_of[row]) for row in wanted}
    rows = [(a, b, score) for a, b, score in pairs.values() if {a, b} <= usable and not math.isnan(score)]
    if not rows:
        raise Unfit(f"{table.path}: no row has two pictures that can be used, and a score.")
    left, right, score = zip(*rows)
    told = f"{len(rows):,} scored pairs of {len(names):,} pictures"
    broken = [row for row, (a, b, _) in pairs.items() if not {a, b} <= usable]
    if broken:
        told += f"; {len(broken):,} rows with a broken picture left out, the first is row {broken[0] + 1:,}"
    if len(rows) + len(broken) < len(pairs):
        told += f"; {len(pairs) - len(rows) - len(broken):,} rows without a score left out"
    return replace(
        source,
        scored=(np.array(left), np.array(right), list(score)),
        messages=(told, *messages, *source.messages),
        fingerprint=fingerprint(source.names, {}, source.fingerprint, rows),
    )


def _is_name(value: Any) -> bool:
    """Whether a cell is called something: a path, or a dict with one; not a picture itself, and not nothing."""
    return isinstance(value, os.PathLike | dict) or (isinstance(value, str) and value != "")
