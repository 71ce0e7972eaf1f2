"""Labels and groups as people write them, made numbers: what is unknown stays unknown, and 1.0 is 1."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kontrast.errors import Unfit, shown
from kontrast.keyed import Ids

# As tables and programs write "no label": Python, NumPy, pandas and R, SQL, spreadsheets.
UNKNOWN = frozenset(
    ["", "-1", "nan", "NaN", "NAN", "None", "NaT", "<NA>", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "Null", "-nan"]
)
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def numbered(values: Sequence[Any]) -> tuple[Ids, tuple[str, ...]]:
    """Labels of any type as numbers, and their names in sorted order. None, NaN, -1, empty text and `UNKNOWN`: -1.

    A label is what it is called: 1, 1.0 (what is left of 1 beside a missing value) and "1" are one class.
    """
    return classes_of([name_of(value) for value in values])


def classes_of(names: Sequence[str | None]) -> tuple[Ids, tuple[str, ...]]:
    """Names as numbers, and the names in sorted order; None is -1, unknown."""
    known = sorted({name for name in names if name is not None}, key=_number_or_word)
    number = {name: place for place, name in enumerate(known)}
    return np.array([-1 if name is None else number[name] for name in names], dtype=np.int64), tuple(map(shown, known))


def name_of(value: Any) -> str | None:
    """What one label is called; None where it is unknown."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, float | np.floating):
        number = float(value)
        value = int(number) if math.isfinite(number) and number == int(number) and abs(number) < 2**53 else number
    name = "" if value is None else str(value).strip()
    whole = _WHOLE.fullmatch(name)
    name = whole[1] if whole else name
    return None if name in UNKNOWN else name


def several(values: Sequence[Any]) -> int | None:
    """The first row that holds not one label but a list, a dict or an array of them; None where there is none."""
    return next(
        (row for row, value in enumerate(values) if isinstance(value, list | tuple | set | dict | np.ndarray)), None
    )


def unlabelled(values: Sequence[Any]) -> str:
    """In words: how many are unknown, and what stands there; empty where all are known."""
    missing = Counter(
        "empty" if value is None or not str(value).strip() else str(value).strip()
        for value in values
        if name_of(value) is None
    )
    if not missing:
        return ""
    return f"{sum(missing.values()):,} unlabelled ({', '.join(shown(what) for what in missing)})"


def declared(values: Sequence[Any], classes: Sequence[str]) -> Ids:
    """Labels of a column whose class names the file itself declares: places among them, -1 for all else."""
    place: Mapping[str, int] = {name: number for number, name in enumerate(classes)}
    numbers = []
    for value in values:
        name = name_of(value)
        number = place.get(name, -1) if name is not None and not name.lstrip("+-").isdigit() else int(name or -1)
        numbers.append(number if 0 <= number < len(classes) else -1)
    return np.array(numbers, dtype=np.int64)


def _number_or_word(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def missing(value: Any) -> bool:
    """Whether a cell of a table holds nothing: None, NaN, or pandas' words for it."""
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def given(labels: Any, count: int, name: str) -> tuple[Ids, tuple[str, ...]]:
    """Labels that stand beside the samples, one each, in any kind of row."""
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    if len(values) != count:
        raise Unfit(f"labels: {len(values):,} of them do not fit {count:,} samples of {name}: give one label a row.")
    row = several(values)
    if row is not None:
        raise Unfit(f"labels: item {row} is a {type(values[row]).__name__}, not one label; give one label a row.")
    return numbered(values)
