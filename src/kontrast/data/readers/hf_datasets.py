"""A dataset that Hugging Face's `datasets` saved to disk (`save_to_disk`), read as a table without that library.

FOLDER/state.json  dataset_info.json  data-00000-of-00001.arrow      one dataset
FOLDER/dataset_dict.json  train/...  test/...                        several splits: rows get a column `split`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kontrast.data.readers.arrow import columns_of, declared_classes, first_line, pyarrow
from kontrast.data.readers.tables import Table
from kontrast.errors import Unfit


def saved(folder: Path) -> Table | None:
    """The table of such a folder; None where there is no such dataset."""
    if (folder / "dataset_dict.json").is_file():
        splits = [str(name) for name in _json(folder / "dataset_dict.json").get("splits", [])]
        return _table(folder, {name: _arrow(folder / name) for name in splits})
    if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        return _table(folder, {"": _arrow(folder)})
    return None


def _table(folder: Path, parts: dict[str, Any]) -> Table:
    import pyarrow as arrow

    if not parts:
        raise Unfit(f"{folder} is a saved dataset without any split.")
    try:
        whole = arrow.concat_tables(list(parts.values()), promote_options="default")
    except arrow.ArrowException as problem:
        raise Unfit(f"{folder}: its splits do not fit together ({first_line(problem)}).") from None
    columns, left_out = columns_of(whole, folder)
    messages = ["a dataset saved by Hugging Face datasets"]
    if "" not in parts:
        columns["split"] = [name for name, part in parts.items() for _ in range(part.num_rows)]
        messages = [f"a dataset saved by Hugging Face datasets, splits {', '.join(parts)}"]
    first = next(iter(parts.values()))
    return Table(folder, columns, whole.num_rows, (*messages, *left_out), declared_classes(first.schema.metadata or {}))


def _arrow(folder: Path) -> Any:
    """The rows of one dataset, in the order that `datasets` would give them."""
    pyarrow()
    import pyarrow as arrow

    state = _json(folder / "state.json")
    try:
        files = [folder / str(file["filename"]) for file in state["_data_files"]]
        rows = arrow.concat_tables([_stream(file) for file in files])
        if state.get("_indices_files"):
            places = [_stream(folder / str(file["filename"])) for file in state["_indices_files"]]
            rows = rows.take(arrow.concat_tables(places).column(0))
    except (KeyError, TypeError, OSError, ValueError, arrow.ArrowException) as problem:
        raise Unfit(f"{folder} cannot be read as a saved dataset ({first_line(problem)}).") from None
    return rows


def _stream(file: Path) -> Any:
    import pyarrow as arrow

    with arrow.memory_map(str(file)) as source:
        return arrow.ipc.open_stream(source).read_all()


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise Unfit(f"{file} cannot be read as JSON: {first_line(problem)}.") from None
    if not isinstance(found, dict):
        raise Unfit(f"{file} is not a JSON object.")
    return found
