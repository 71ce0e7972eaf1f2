"""Tables that `kontrast train` reads, of rows of an index: `--same COLUMN`, or anchor, positive and negative.

A .parquet table holds the pictures themselves; a .csv names their files and lies above them.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kontrast import files
from kontrast.commands.outputs import MARK, claimed, our_table
from kontrast.errors import Unfit
from kontrast.vector_index.layout import Index

Row = Mapping[str, Any]
BLOCK = 4096  # rows that are written at once


def claim_table(out: Path, inputs: Sequence[Any]) -> None:
    """Unfit where `out` is no place for a table."""
    if out.suffix not in (".csv", ".parquet"):
        raise Unfit(f"--out {out}: expected a name that ends in .csv or .parquet.")
    claimed("--out", out, [each for each in inputs if not Path(str(each)).is_dir()], our_table)


def write_table(out: Path, rows: Iterable[Row]) -> None:
    """Write rows, which have the same columns, whole or not at all."""
    with files.whole(out) as part:
        if out.suffix == ".parquet":
            _write_parquet(part, rows)
            return
        with open(part, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = None
            for row in rows:
                if writer is None:
                    writer = csv.DictWriter(file, list(row))
                    writer.writeheader()
                writer.writerow(row)


def _write_parquet(part: Path, rows: Iterable[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, block = None, list[Row]()

    def flush() -> None:
        nonlocal writer
        if block:
            table = pa.Table.from_pylist(block).replace_schema_metadata({MARK: "table"})
            writer = writer or pq.ParquetWriter(part, table.schema)
            writer.write_table(table.cast(writer.schema))
            block.clear()

    for row in rows:
        block.append(row)
        if len(block) == BLOCK:
            flush()
    flush()
    if writer is not None:
        writer.close()


def pictures(index: Index, out: Path) -> Callable[[int], Any]:
    """Row of an index -> what stands for its picture in a table at `out`. Unfit where the data cannot give it."""
    data = Path(index.meta.data)
    names = index.column("name")
    table = data.suffix.lower() in (".parquet", ".csv", ".tsv", ".jsonl") and data.is_file()
    folder = data if data.is_dir() else data.parent if table and data.suffix.lower() != ".parquet" else None
    if out.suffix == ".csv":
        here = Path(os.path.realpath(out.parent))
        if folder is None or not Path(os.path.realpath(folder)).is_relative_to(here):
            raise Unfit(
                f"--out {out}: a .csv names pictures by their files and must lie in {folder or data} or above it; "
                ".parquet holds the pictures and may lie anywhere."
            )
        base = folder
        return lambda row: os.path.relpath(os.path.realpath(base / names[row]), here)
    if folder is not None:
        source = folder
        return lambda row: {"bytes": (source / names[row]).read_bytes(), "path": names[row]}
    if table:
        return _of_parquet(data, index)
    raise Unfit(f"{index.folder} was made of {data}, whose pictures are in no file: no table of them can be written.")


def _of_parquet(data: Path, index: Index) -> Callable[[int], Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(data)
    wanted = dict(pair.split("=", 1) for pair in index.meta.options.get("columns") or ()).get("image")
    name = wanted or next((field.name for field in schema if pa.types.is_struct(field.type)), None)
    if name is None:
        raise Unfit(f"{data} has no column with pictures in it; write a .csv beside the pictures instead.")
    column, ids = pq.read_table(data, columns=[name]).column(0), index.column("id")
    return lambda row: column[ids[row]].as_py()
