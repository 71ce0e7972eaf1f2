"""Arrow's tables: parquet files, and what Hugging Face `datasets` keeps in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from kontrast.data.readers.tables import Table, named_once
from kontrast.errors import Unfit, shown


def pyarrow() -> ModuleType:
    """The parquet reader, or how to get it."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise Unfit("Reading parquet files needs pyarrow: pip install 'kontrast[data]'.") from None
    module: ModuleType = parquet
    return module


def parquet(path: Path) -> Table:
    """The rows of a parquet file."""
    reader = pyarrow()
    import pyarrow as arrow

    try:
        table = reader.ParquetFile(path).read()
    except (arrow.ArrowException, OSError, ValueError, MemoryError) as error:
        raise Unfit(f"{path} cannot be read as parquet ({first_line(error)}).") from None
    columns, messages = columns_of(table, path)
    return Table(path, columns, table.num_rows, messages, declared_classes(table.schema.metadata or {}))


def first_line(problem: BaseException) -> str:
    """The first line of what a library complains about."""
    return next(iter(str(problem).splitlines()), type(problem).__name__)[:120]


def columns_of(table: Any, path: Path) -> tuple[dict[str, Sequence[Any]], tuple[str, ...]]:
    """(the columns of an Arrow table, what is said of those that cannot be turned into Python's values)."""
    import pyarrow as arrow

    named_once(path, table.column_names)
    columns: dict[str, Sequence[Any]] = {}
    messages = []
    for name in table.column_names:
        try:
            columns[name] = _column(table.column(name))
        except (arrow.ArrowException, ValueError, TypeError, OverflowError, ImportError) as problem:
            kind = f"{table.column(name).type}, {first_line(problem)}"
            messages.append(f"column {shown(name)!r} cannot be read and is left out ({kind})")
    return columns, tuple(messages)


class EncodedColumn(Sequence[Any]):
    """A parquet column of encoded pictures, {bytes, path} each, left in Arrow's memory until a row is asked for."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, row: Any) -> Any:
        return self._column[row].as_py()


def _column(column: Any) -> Sequence[Any]:
    """An Arrow column as a sequence; encoded pictures stay where they are until asked for."""
    from pyarrow import types

    kind = column.type
    if types.is_struct(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return EncodedColumn(column)
    values: list[Any] = column.to_pylist()
    return values


def declared_classes(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Label names that Hugging Face datasets keeps in the schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        return {name: list(kind["names"]) for name, kind in features.items() if kind.get("_type") == "ClassLabel"}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}  # another writer's metadata: names are then made from the values
