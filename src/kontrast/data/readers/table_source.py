"""The source that follows from a table: words cleaned, pictures read, rows that cannot be used named."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kontrast.data.messages import shown
from kontrast.data.pixels.decode import Broken
from kontrast.data.pixels.store import Skipped
from kontrast.data.readers.columns import NAMES, WORDS, Roles, assign, names_a_file, understood
from kontrast.data.readers.images import of_pictures
from kontrast.data.readers.tables import EncodedColumn, Table
from kontrast.data.source import (
    CALLED,
    Options,
    Source,
    class_name,
    fingerprint,
    numbered,
    split_name,
    split_parts,
    stop_if_broken,
)
from kontrast.errors import Unfit
from kontrast.keyed import Ids

NO_SCORE = "no score (not a finite number)"


def from_table(table: Table, options: Options) -> Source:
    """The source that a table describes."""
    roles = assign(table, options)
    column = roles.column
    if roles.kind == "scored_pairs" and names_a_file(table, column["first"]):
        return _scored_pictures(table, column, options)
    messages = [*table.messages, understood(table, roles)]
    splits, split = _splits(table, options, messages)
    labels, classes = _labels(table, roles, options, messages)
    groups = _groups(table, options.same, messages)
    wanted = np.arange(table.rows) if split is None else splits[split]
    words = {role: table.columns[column[role]] for role in WORDS if role in column}
    empty, cleaned = _cleaned(words, wanted, str(table.path))
    if "score" in column and roles.kind == "scored_pairs":
        cleaned["score"] = _scores(table.columns[column["score"]], column["score"], str(table.path))
        empty |= {row: NO_SCORE for row in wanted.tolist() if not math.isfinite(cleaned["score"][row])}
    if "image" in column:
        source = _with_pictures(table, column["image"], wanted, options, empty=empty, messages=messages)
    else:
        skipped = tuple(Skipped(row, f"row {row + 1}", reason) for row, reason in sorted(empty.items()))
        ids = np.array([row for row in wanted.tolist() if row not in empty], dtype=np.int64)
        stop_if_broken(str(table.path), skipped, len(ids), options.strict)
        if skipped:
            messages.append(f"{len(skipped):,} skipped; the first is {skipped[0].name}: {skipped[0].reason}")
        names = [f"row {row + 1}" for row in range(table.rows)]
        messages.insert(0, f"{len(ids):,} {CALLED.get(roles.kind, roles.kind)}")
        source = Source(str(table.path), roles.kind, names, ids, "", skipped=skipped, messages=tuple(messages))
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
        fingerprint=fingerprint(source.names, digests, source.fingerprint, kind),
    )


def _cleaned(
    words: Mapping[str, Sequence[Any]], wanted: Ids, path: str
) -> tuple[dict[int, str], dict[str, Sequence[Any]]]:
    """(row -> why it is skipped, the words stripped of outer blanks)."""
    empty: dict[int, str] = {}
    cleaned: dict[str, Sequence[Any]] = {}
    for role, values in words.items():
        tidy = [_tidy(value, role, row, path) for row, value in enumerate(values)]
        empty.update(
            {row: f"empty {'caption' if role == 'text' else role}" for row in wanted.tolist() if not tidy[row]}
        )
        cleaned[role] = tidy
    return empty, cleaned


def _tidy(value: Any, role: str, row: int, path: str) -> Any:
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, list) and all(v is None or isinstance(v, str) for v in value):
        return [v.strip() for v in value if v and v.strip()]
    raise Unfit(
        f"{path} row {row + 1:,}: words were expected for {role}, not {type(value).__name__} {str(value)[:40]!r}."
    )


def _scores(values: Sequence[Any], name: str, path: str) -> list[float]:
    """The scores; NaN where a row has none, which is then skipped."""
    scores = []
    for row, value in enumerate(values):
        try:
            scores.append(math.nan if value is None or value == "" else float(value))
        except (TypeError, ValueError):
            raise Unfit(
                f"{path} row {row + 1:,}: column {name!r} should hold numbers, not {str(value)[:40]!r}."
            ) from None
    return scores


def _splits(table: Table, options: Options, messages: list[str]) -> tuple[dict[str, Ids], str | None]:
    """(the rows of each split, the one that was asked for as it is called here)."""
    name = options.columns.get("split") or next(iter(_named(table, "split")), None)
    if name is None or name not in table.columns:
        if options.split is not None:
            raise Unfit(f"split: {table.path} has no column 'split'; name it with --columns split=NAME.")
        return {}, None
    splits = split_parts(table.columns[name])
    chosen = None if options.split is None else split_name(options.split)
    if chosen is not None and chosen not in splits:
        raise Unfit(f"split: {table.path} has no rows of split {options.split!r}; it has {', '.join(splits)}.")
    parts = ", ".join(f"{part} {len(rows):,}" for part, rows in splits.items())
    messages.append(f"splits: {parts}; {chosen + ' chosen' if chosen else 'all taken'}")
    return splits, chosen


def _labels(table: Table, roles: Roles, options: Options, messages: list[str]) -> tuple[Ids | None, tuple[str, ...]]:
    asked = options.labels
    if asked is not None and not isinstance(asked, str):
        raise Unfit(f"labels: name a column of {table.path}: {', '.join(table.columns)}.")
    if asked is not None and asked not in table.columns:
        raise Unfit(f"labels: {table.path} has no column {asked!r}; it has {', '.join(table.columns)}.")
    free = [name for name in _named(table, "label") if name not in roles.column.values()]
    name = asked or options.columns.get("label") or next(iter(free), None)
    if name is None:
        return None, ()
    try:
        labels, classes = _classes(table, name)
    except TypeError as problem:
        if asked is not None:
            raise Unfit(
                f"labels: column {name!r} of {table.path} cannot be used: {problem}; one a row is needed."
            ) from None
        messages.append(f"column {name!r} left out: {problem}, and labels for evaluation are one a row")
        return None, ()
    unknown = int((labels < 0).sum())
    told = f"; {unknown:,} of {table.rows:,} rows unlabelled" if unknown else ""
    messages.append(f"labels for evaluation only: column {name!r}, {len(classes):,} classes{told}")
    return labels, classes


def _classes(table: Table, name: str) -> tuple[Ids, tuple[str, ...]]:
    """(by row, the number of its class or -1; their names). TypeError where a row names several."""
    values = table.columns[name]
    if isinstance(values, EncodedColumn):
        raise TypeError("a row holds several values")
    declared = table.classes.get(name)
    if declared:
        numbers = [-1 if (known := class_name(value)) is None else int(known) for value in values]
        return np.array(numbers, dtype=np.int64), tuple(declared)
    labels, classes = numbered(values)
    if name == "label" and "label_name" in table.columns:
        first = {int(label): row for row, label in reversed(list(enumerate(labels)))}
        classes = tuple(str(table.columns["label_name"][first[label]]) for label in range(len(classes)))
    return labels, classes


def _named(table: Table, role: str) -> list[str]:
    """The columns that have one of the names of this role, whatever their case."""
    return [own for name in NAMES[role] for own in table.columns if own.lower().strip() == name]


def _groups(table: Table, same: str | None, messages: list[str]) -> Ids | None:
    if same is None:
        return None
    if same not in table.columns:
        raise Unfit(f"same: {table.path} has no column {same!r}; it has {', '.join(table.columns)}.")
    try:
        groups, named = numbered(table.columns[same])
    except TypeError as problem:
        raise Unfit(f"same: column {same!r} of {table.path} is not one group a row: {problem}.") from None
    alone = groups < 0
    groups[alone] = len(named) + np.flatnonzero(alone)
    messages.append(f"positives from the same {same!r}: {len(named):,} groups")
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
    values, folder = table.columns[image], table.path.parent.resolve()
    if isinstance(values, EncodedColumn):
        names = [f"row {row + 1}" for row in range(table.rows)]
        shares: Ids | None = None
    else:
        names = [str(value) for value in values]
        first: dict[str, int] = {}
        shares = np.array([first.setdefault(name, row) for row, name in enumerate(names)])
        if len(first) == table.rows:
            shares = None
        else:
            messages.append(f"{len(first):,} pictures in {table.rows:,} rows: rows of one picture are never negatives")
    read = _reader(values, folder)
    source = of_pictures(
        str(table.path), names, read, wanted.tolist(), options, refused=empty, shares=shares, messages=messages
    )
    return replace(source, groups=shares)


def _scored_pictures(table: Table, column: Mapping[str, str], options: Options) -> Source:
    """Rows of two picture files and a number: the pictures are the samples, sorted by name; `scored` tells the rows."""
    first, second = (list(map(str, table.columns[column[role]])) for role in ("first", "second"))
    scores = _scores(table.columns[column["score"]], column["score"], str(table.path))
    names = sorted({*first, *second})
    place = {name: sample for sample, name in enumerate(names)}
    read = _reader(names, table.path.parent.resolve())
    messages = list(table.messages)
    splits, split = _splits(table, options, messages)
    wanted = range(table.rows) if split is None else splits[split].tolist()
    shown = sorted({place[side[row]] for side in (first, second) for row in wanted})
    source = of_pictures(str(table.path), names, read, shown, options, messages=messages)
    usable = set(source.ids.tolist())
    pairs = ((place[first[row]], place[second[row]], scores[row]) for row in wanted)
    rows = [(a, b, score) for a, b, score in pairs if math.isfinite(score) and {a, b} <= usable]
    if not rows:
        raise Unfit(f"{table.path}: no row has two pictures that can be used and a score.")
    left, right, score = zip(*rows)
    unscored = [row for row in wanted if not math.isfinite(scores[row])]
    broken = len(wanted) - len(rows) - len(unscored)
    told = f"{len(rows):,} scored pairs of {len(names):,} pictures"
    told += f"; {broken:,} rows with a broken picture left out" if broken else ""
    told += f"; {len(unscored):,} without a score, the first in row {unscored[0] + 1}" if unscored else ""
    return replace(
        source,
        scored=(np.array(left), np.array(right), list(score)),
        messages=(told, *source.messages),
        fingerprint=fingerprint(source.names, {}, source.fingerprint, rows),
    )


def _reader(values: Sequence[Any], folder: Path) -> Callable[[int], bytes]:
    def read(row: int) -> bytes:
        value = values[row]
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str) or not value:
            raise Broken("no picture in this row")
        path = (folder / value).resolve()
        if not path.is_relative_to(folder):
            raise Broken(f"the path {shown(value)} leaves the folder of the table; put the table above its pictures")
        if not path.is_file():
            raise Broken(f"no file {shown(value)} in {folder.name}")
        return path.read_bytes()

    return read
