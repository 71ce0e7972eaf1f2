"""What the columns of a table mean: by name, never by position, and said aloud.

Kinds: pictures (image), pairs (image and text, or anchor and positive), triplets (and negative), texts, and scored
pairs (two texts and a number that says how alike they are: for evaluation, or the margin loss; never positives).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kontrast.data.labels import missing
from kontrast.data.readers.files import holds_pictures
from kontrast.data.readers.tables import Table
from kontrast.data.source import Kind, Options
from kontrast.errors import Unfit, shown

NAMES: dict[str, tuple[str, ...]] = {
    "image": ("image", "img", "filepath", "file_path", "file_name", "filename", "image_path", "path"),
    "text": ("captions", "caption", "text", "title", "sentence"),
    "anchor": ("anchor", "query", "sent0"),
    "positive": ("positive", "sent1"),
    "negative": ("hard_negative", "negative", "hard_neg"),
    "first": ("sentence1", "a"),
    "second": ("sentence2", "b"),
    "score": ("score", "similarity", "label"),
    "label": ("label", "labels", "label_name", "class"),
    "split": ("split",),
}
CALLED_PICTURES = ("image", "img", "image_path")  # the other names may stand for any file: a look at the values decides
KNOWN = frozenset(name for names in NAMES.values() for name in names)
WORDS = ("text", "anchor", "positive", "negative", "first", "second")


@dataclass(frozen=True)
class Roles:
    """Which column plays which part, and the kind of source they make."""

    kind: Kind
    column: Mapping[str, str]


def assign(table: Table, options: Options) -> Roles:
    """Find the columns' parts by their names; columns that the user named come first."""
    names = list(table.columns)
    if not table.rows:
        raise Unfit(f"{table.path} has no rows.")
    unknown = set(options.columns) - set(NAMES)
    if unknown:
        raise Unfit(f"columns: {sorted(unknown)[0]!r} is not a part a column can play; known: {', '.join(NAMES)}.")
    for role, name in options.columns.items():
        if name not in names:
            raise Unfit(f"columns: {table.path} has no column {name!r} for {role}; it has {', '.join(names)}.")
    column = dict(options.columns)
    lower = {name.lower().strip(): name for name in reversed(names) if name not in column.values()}
    for role in ("image", "anchor", "positive", "negative", "first", "second"):
        fitting = [lower[name] for name in NAMES[role] if name in lower]
        if role == "image":
            fitting = [name for name in fitting if name.lower().strip() in CALLED_PICTURES or _pictures(table, name)]
        if role not in column and fitting:
            column[role] = fitting[0]
    if options.texts_only and "image" not in options.columns:
        column.pop("image", None)
    if "text" not in column:
        column.update(_caption(table, [lower[name] for name in NAMES["text"] if name in lower]))
    if {"first", "second"} <= set(column) and "score" not in column:
        found = next((lower[name] for name in NAMES["score"] if name in lower), None)
        column.update({"score": found} if found else {})
    return Roles(*_kind(table, column, names))


def column_for(table: Table, role: str, options: Options) -> str | None:
    """The column that plays this part, by the user's word or by its name in any case; None where there is none."""
    lower = {name.lower().strip(): name for name in reversed(list(table.columns))}
    return options.columns.get(role) or next((lower[name] for name in NAMES[role] if name in lower), None)


def _kind(table: Table, column: dict[str, str], names: list[str]) -> tuple[Kind, dict[str, str]]:
    """The richest reading that the columns allow, and only the columns it uses."""
    has = set(column)
    readings: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("pairs", ("image", "text")),
        ("triplets", ("anchor", "positive", "negative")),
        ("pairs", ("anchor", "positive")),
        ("scored_pairs", ("first", "second", "score")),
        ("images", ("image",)),
    )
    for kind, parts in readings:
        if set(parts) <= has:
            return kind, {role: column[role] for role in parts}
    if has & {"anchor", "positive"}:
        role, missing = ("anchor", "positive") if "anchor" in has else ("positive", "anchor")
        raise Unfit(
            f"{table.path} has a column {column[role]!r} but none for {missing}; name it: --columns {missing}=NAME."
        )
    if "text" in has:
        return "texts", {"text": column["text"]}
    picture = next((name for name in names if _pictures(table, name)), None)
    if len(names) == 1 and picture is None and any(isinstance(value, str) for value in table.columns[names[0]]):
        return "texts", {"text": names[0]}
    if picture is not None and len(names) == 2:
        return "pairs", {"image": picture, "text": next(name for name in names if name != picture)}
    if picture is not None and len(names) == 1:
        return "images", {"image": picture}
    words = [name for name in names if _sentences(table.columns[name])]
    if len(words) == 1 and picture is None:
        return "texts", {"text": words[0]}
    raise Unfit(
        f"{table.path} has the columns {', '.join(names)}, none of a known name; say which is which, such as "
        f"--columns text={names[-1]} or --columns image={names[0]} text={names[-1]}."
    )


def _caption(table: Table, candidates: list[str]) -> dict[str, str]:
    """The column of words: a list of captions wins over its elements; two unlike columns are the user's choice."""
    if not candidates:
        return {}
    best, *others = candidates
    for other in others:
        pairs = list(zip(table.columns[best][:1000], table.columns[other][:1000]))
        if not all(not b or a == b or (isinstance(a, list) and b in a) for a, b in pairs):
            raise Unfit(
                f"{table.path}: the columns {best!r} and {other!r} could both be the text and differ; "
                f"choose with --columns text={best} or text={other}."
            )
    return {"text": best}


def _sentences(values: Sequence[Any]) -> bool:
    """Whether most of the first values are sentences: words with blanks between, or long."""
    there = [value for value in (values[row] for row in range(min(len(values), 100))) if not missing(value)]
    alike = sum(isinstance(value, str) and (len(value.split()) > 1 or len(value) > 20) for value in there)
    return 2 * alike > len(there)


def _pictures(table: Table, name: str) -> bool:
    return holds_pictures(table.columns[name], table.folder)


def understood(table: Table, roles: Roles) -> str:
    """In words: which column plays which part, and which play none."""
    taken = ", ".join(role if role == name else f"{role} from {name!r}" for role, name in roles.column.items())
    rest = _unused(table, roles)
    said = f"columns: {taken}" + (f"; ignored: {', '.join(rest)}" if rest else "")
    if any(_sentences([name]) for name in roles.column.values()):
        said += " (the first line was taken as the columns' names: if it is a row, put names above it)"
    return shown(said)


def beside(table: Table, roles: Roles) -> dict[str, Sequence[Any]]:
    """The columns that play no part and hold one word, number or truth a row."""
    one = (str, bool, int, float, np.number, np.bool_)
    columns = {name: table.columns[name] for name in _unused(table, roles)}
    return {name: values for name, values in columns.items() if all(missing(v) or isinstance(v, one) for v in values)}


def _unused(table: Table, roles: Roles) -> list[str]:
    used = set(roles.column.values()) | {name for role in ("label", "split") for name in NAMES[role]}
    return [name for name in table.columns if name not in used]
