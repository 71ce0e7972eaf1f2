"""Files of rows: .txt, .csv, .tsv, .jsonl and .parquet become named columns. What they mean is decided in `roles`.

Nothing is guessed silently: the separator is the one that splits the header into most fields, a file that is not UTF-8
(or UTF-16 with its mark) is refused with the line at fault, and a row of another length than the header is an error.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from kontrast.errors import Unfit

ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
METADATA = (".csv", ".jsonl", ".parquet")
SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """Columns of equal length. `classes` are label names that the file itself declares, by column."""

    path: Path
    columns: Mapping[str, Sequence[Any]]
    rows: int
    messages: tuple[str, ...] = ()
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_table(path: Path, known: frozenset[str]) -> Table:
    """The rows of a file. `known`: column names by which a header is recognised, in lower case."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet(path)
    text = _text(path)
    if ending == ".txt":
        lines = text.splitlines()
        full = [line.strip() for line in lines if line.strip()]
        blank = len(lines) - len(full)
        return Table(path, {"text": full}, len(full), (f"{blank:,} blank lines left out",) if blank else ())
    if ending in (".jsonl", ".ndjson"):
        return _json_lines(path, text)
    return _separated(path, text, known)


def metadata(folder: Path, splits: frozenset[str], known: frozenset[str]) -> Table | None:
    """The table of a folder in Hugging Face's imagefolder layout: metadata.csv, .jsonl or .parquet beside the pictures.

    It may lie in the folder itself or in each of its split folders; rows then get a column `split`. None: no such file.
    """
    own = next((path for ending in METADATA if (path := folder / f"metadata{ending}").is_file()), None)
    if own is not None:
        return read_table(own, known)
    tables = {
        inner.name: read_table(path, known)
        for inner in sorted(folder.iterdir())
        for ending in METADATA
        if inner.name.lower() in splits and (path := inner / f"metadata{ending}").is_file()
    }
    if not tables:
        return None
    columns: dict[str, list[Any]] = {name: [] for table in tables.values() for name in table.columns}
    columns["split"] = []
    for split, table in tables.items():
        for name, values in columns.items():
            here = list(table.columns.get(name, [None] * table.rows))
            values.extend([f"{split}/{value}" for value in here] if name == "file_name" else here)
        columns["split"][-table.rows :] = [split] * table.rows
    return Table(folder / "metadata", columns, len(columns["split"]), (f"metadata of {len(tables)} splits",))


def pyarrow() -> ModuleType:
    """The parquet reader, or how to get it."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise Unfit("Reading parquet files needs pyarrow: pip install 'kontrast[data]'.") from None
    module: ModuleType = parquet
    return module


def _text(path: Path) -> str:
    """The file as text, its byte-order mark removed."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unfit(f"{path} cannot be read ({error.strerror}).") from None
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        mixed = any(byte >= 0xC0 for byte in raw[: error.start])
        what = "mixes encodings: UTF-8 before, but not in" if mixed else "is not UTF-8: see"
        raise Unfit(f"{path} {what} line {line:,} (byte 0x{raw[error.start]:02x}); save it as UTF-8.") from None
    if "\0" in text:
        raise Unfit(
            f"{path} is not a text file (line {text[: text.index(chr(0))].count(chr(10)) + 1:,} holds a zero byte)."
        )
    return text


def _separated(path: Path, text: str, known: frozenset[str]) -> Table:
    first = next((line for line in text.splitlines() if line.strip()), None)
    if first is None:
        raise Unfit(f"{path} is empty.")
    separator = "\t" if path.suffix.lower() == ".tsv" else max(SEPARATORS, key=lambda s: len(_fields(first, s)))
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise Unfit(
                    f"{path} line {reader.line_num:,} has {len(row)} fields where the first has {len(rows[0])}; "
                    f"put text that holds {separator!r} in double quotes."
                )
            rows.append(row)
    except csv.Error as error:
        raise Unfit(f"{path} line {reader.line_num:,} cannot be read as a table ({error}).") from None
    head = [cell.strip() for cell in rows[0]]
    messages = [] if separator in ",\t" else [f"fields separated by {separator!r}"]
    if _is_header(head, known, path.parent):
        rows = rows[1:]
    else:
        head = [f"column{place + 1}" for place in range(len(head))]
        messages.append(f"no header: columns called {', '.join(head)}")
    twice = sorted({name for name in head if head.count(name) > 1})
    if twice:
        raise Unfit(f"{path} has two columns called {twice[0]!r}; rename one.")
    return Table(
        path, {name: [row[place] for row in rows] for place, name in enumerate(head)}, len(rows), tuple(messages)
    )


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator))


def _is_header(head: Sequence[str], known: frozenset[str], folder: Path) -> bool:
    """A first row with a known name is a header; one that names an existing file, or is one sentence, is not."""
    if any(cell.lower() in known for cell in head):
        return True
    if any(cell and len(cell) < 1024 and (folder / cell).is_file() for cell in head):
        return False
    return len(head) > 1 or " " not in head[0]


def _json_lines(path: Path, text: str) -> Table:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise Unfit(f"{path} line {number:,} is not JSON; each line must be one object.") from None
        if not isinstance(row, dict):
            raise Unfit(f'{path} line {number:,} is not a JSON object such as {{"text": "..."}}.')
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, len(rows))


def _parquet(path: Path) -> Table:
    parquet = pyarrow()
    import pyarrow as arrow

    try:
        table = parquet.ParquetFile(path).read()
    except (arrow.ArrowInvalid, OSError) as error:
        raise Unfit(f"{path} cannot be read as parquet ({str(error).splitlines()[0][:120]}).") from None
    columns = {name: column_of(table.column(name)) for name in table.column_names}
    return Table(path, columns, table.num_rows, classes=declared_classes(table.schema.metadata or {}))


class EncodedColumn(Sequence[Any]):
    """A parquet column of encoded pictures, {bytes, path} each, left in Arrow's memory until a row is asked for."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, row: Any) -> Any:
        return self._column[row].as_py()


def column_of(column: Any) -> Sequence[Any]:
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
    except (ValueError, AttributeError, KeyError, TypeError):
        return {}  # another writer's metadata: names are then made from the values
