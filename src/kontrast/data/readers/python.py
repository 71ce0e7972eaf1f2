"""Data that Python holds already: lists, pandas' Series and DataFrame, arrays; read as the same data from a file.

pandas is no dependency: who hands over its objects has imported it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from kontrast.data.labels import missing
from kontrast.data.readers.arrays import from_array, from_list
from kontrast.data.readers.files import name_pictures
from kontrast.data.readers.table_source import from_table
from kontrast.data.readers.tables import Table, named_once
from kontrast.data.source import Options, Source
from kontrast.errors import Unfit


def from_python(data: Any, options: Options) -> Source | None:
    """The source of an object that is no path; None of what cannot be read.

    A list (tuple, Series, array of objects) of words is one of sentences, unless they name pictures; a list of dicts,
    a dict of columns and a DataFrame are tables.
    """
    if _pandas(data, "DataFrame"):
        named_once(Path("DataFrame"), [str(name) for name in data.columns])
        return _table("DataFrame", {str(name): data[name] for name in data.columns}, len(data), options)
    if isinstance(data, Mapping):
        return _table("dict", {str(name): column for name, column in data.items()}, None, options)
    if isinstance(data, np.ndarray | Tensor) and not (data.ndim == 1 and _of_objects(data)):
        return from_array(data, options)
    items = _items(data)
    if items is None:
        return None
    if not items:
        raise Unfit("data: the list holds no pictures and no sentences.")
    there = [item for item in items if not missing(item)]
    if there and all(isinstance(item, Mapping) for item in there):
        names = list(dict.fromkeys(str(name) for item in there for name in item))
        rows = [{} if missing(item) else item for item in items]
        return _table("list", {name: [row.get(name) for row in rows] for name in names}, len(items), options)
    if there and all(isinstance(item, str) for item in there) and not name_pictures(there, None):
        return _table("list", {"text": items}, len(items), options)
    return from_list([None if missing(item) else item for item in items], options)


def sentences_of(data: Any) -> list[str] | None:
    """A list, Series or array of sentences as a list, None of other data; Unfit, with the place, of no sentence.

    What is asked for a vector gets one: nothing is left out or mended here.
    """
    items = None if isinstance(data, str | os.PathLike) else _items(data)
    if items is None:
        return None
    for place, item in enumerate(items):
        if not isinstance(item, str):
            raise Unfit(f"item {place} is {type(item).__name__} {str(item)[:40]!r}; a sentence was expected.")
        if not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item):
            raise Unfit(f"item {place} holds half a letter (of an emoji cut in two): {item[:40]!r}; cut it elsewhere.")
    return items


def all_sentences(data: Any) -> list[str]:
    """As `sentences_of`, where nothing but sentences will do."""
    found = sentences_of(data)
    if found is None:
        raise Unfit(f"a list of sentences was expected, not {type(data).__name__} {str(data)[:40]!r}; give [sentence].")
    return found


def _items(data: Any) -> list[Any] | None:
    """One value a sample; None of what is no such row."""
    if isinstance(data, np.ndarray):
        return data.tolist() if data.ndim == 1 and _of_objects(data) else None
    if _pandas(data, "Series") or _pandas(data, "Index"):
        return list(data)
    return list(data) if isinstance(data, list | tuple) else None


def _table(name: str, columns: Mapping[str, Any], rows: int | None, options: Options) -> Source:
    lists: dict[str, Sequence[Any]] = {}
    for column, values in columns.items():
        found = list(values) if isinstance(values, np.ndarray | Tensor) else _items(values)
        if found is None:
            raise Unfit(f"{name}: column {column!r} is {type(values).__name__}; a list of values was expected.")
        lists[column] = [None if missing(value) else value for value in found]
    lengths = {len(values) for values in lists.values()} | ({rows} if rows is not None else set())
    if len(lengths) > 1:
        raise Unfit(f"{name}: its columns have {', '.join(map(str, sorted(lengths)))} values; give equally many.")
    return from_table(Table(Path(name), lists, max(lengths, default=0), in_python=True), options)


def _of_objects(data: np.ndarray[Any, Any] | Tensor) -> bool:
    """Whether an array holds words or Python's objects, not numbers."""
    return isinstance(data, np.ndarray) and data.dtype.kind in "OUT"


def _pandas(data: Any, kind: str) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, getattr(pandas, kind))
