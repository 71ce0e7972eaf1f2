"""The words and scores of a table's rows: blanks stripped, half letters mended, empty ones named."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kontrast.data.labels import missing
from kontrast.errors import Unfit
from kontrast.keyed import Ids

HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair, which no tokenizer takes


def cleaned_words(
    words: Mapping[str, Sequence[Any]], wanted: Ids, path: str, messages: list[str]
) -> tuple[dict[int, str], dict[str, Sequence[Any]]]:
    """(row -> why it is skipped, the words stripped of outer blanks, half letters replaced and said)."""
    empty: dict[int, str] = {}
    cleaned: dict[str, Sequence[Any]] = {}
    for role, values in words.items():
        tidy = [_tidy(value, role, row, path) for row, value in enumerate(values)]
        halves = [row for row, value in enumerate(tidy) if _half(value)]
        for row in halves:
            tidy[row] = _mended(tidy[row])
        if halves:
            messages.append(
                f"{len(halves):,} with half a letter (of an emoji cut in two), read as \ufffd: "
                f"the first is row {halves[0] + 1:,}"
            )
        empty |= {row: f"empty {'caption' if role == 'text' else role}" for row in wanted.tolist() if not tidy[row]}
        cleaned[role] = tidy
    return empty, cleaned


def _tidy(value: Any, role: str, row: int, path: str) -> Any:
    if isinstance(value, str):
        return value.strip()
    if missing(value):
        return ""
    if isinstance(value, np.ndarray):  # as pandas gives lists
        value = value.tolist()
    if isinstance(value, list | tuple) and all(isinstance(each, str) or missing(each) for each in value):
        return [each.strip() for each in value if isinstance(each, str) and each.strip()]
    raise Unfit(
        f"{path} row {row + 1:,}: words were expected for {role}, not {type(value).__name__} {str(value)[:40]!r}."
    )


def _half(value: Any) -> bool:
    """Whether half of a surrogate pair stands in the words."""
    return any(HALF.search(each) for each in (value if isinstance(value, list) else [value]))


def _mended(value: Any) -> Any:
    """The two halves of an emoji joined where both are there; one alone is replaced."""
    if isinstance(value, list):
        return [_mended(each) for each in value]
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def scores(values: Sequence[Any], name: str, path: str) -> list[float]:
    """As numbers; NaN where there is none."""
    numbers = []
    for row, value in enumerate(values):
        try:
            number = math.nan if missing(value) or value == "" else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.inf
        if math.isinf(number):
            raise Unfit(f"{path} row {row + 1:,}: column {name!r} should hold numbers, not {str(value)[:40]!r}.")
        numbers.append(number)
    return numbers
