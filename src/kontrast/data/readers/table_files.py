"""Tables out of files: one call for every kind, and the metadata file of a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kontrast.data.readers.arrow import parquet
from kontrast.data.readers.tables import Table
from kontrast.data.readers.text_files import json_lines, sentences, separated, text_of
from kontrast.data.splits import SPLITS, canonical
from kontrast.errors import Unfit

METADATA = (".csv", ".jsonl", ".parquet")


def read_table(path: Path, known: frozenset[str]) -> Table:
    """The rows of a file. `known`: column names by which a header is recognised, in lower case."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return parquet(path)
    text = text_of(path)
    if ending == ".txt":
        return sentences(path, text)
    if ending in (".jsonl", ".ndjson"):
        return json_lines(path, text)
    return separated(path, text, known)


def metadata(folder: Path, known: frozenset[str]) -> Table | None:
    """The table of a folder in Hugging Face's imagefolder layout: metadata.csv, .jsonl or .parquet beside the pictures.

    It may lie in the folder itself or in each of its split folders; rows then get a column `split`. None: no such file.
    """
    own = _metadata_file(folder)
    if own is not None:
        return read_table(own, known)
    try:
        inside = sorted(path for path in folder.iterdir() if path.name.lower() in SPLITS and path.is_dir())
    except OSError as error:
        raise Unfit(f"{folder}: the folder cannot be listed ({error.strerror}).") from None
    tables = {path.name: read_table(file, known) for path in inside if (file := _metadata_file(path)) is not None}
    if not tables:
        return None
    columns: dict[str, list[Any]] = {name: [] for table in tables.values() for name in table.columns}
    columns["split"] = []
    for split, table in tables.items():
        for name, values in columns.items():
            here = list(table.columns.get(name, [None] * table.rows))
            values.extend([f"{split}/{value}" for value in here] if name == "file_name" else here)
        columns["split"][len(columns["split"]) - table.rows :] = [canonical(split)] * table.rows
    return Table(folder / "metadata", columns, len(columns["split"]), (f"metadata of {len(tables)} splits",))


def _metadata_file(folder: Path) -> Path | None:
    return next((path for ending in METADATA if (path := folder / f"metadata{ending}").is_file()), None)
