"""What can be read, and the one call that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kontrast.data.readers.arrays import digits, from_array, from_list
from kontrast.data.readers.columns import KNOWN
from kontrast.data.readers.emoji import emoji
from kontrast.data.readers.folders import SPLITS, extensions, from_folder
from kontrast.data.readers.hf_datasets import saved
from kontrast.data.readers.table_source import from_table
from kontrast.data.readers.tables import ENDINGS, metadata, read_table
from kontrast.data.source import Options, Source, held_out
from kontrast.errors import Unfit

__all__ = ["Source", "held_out", "open_source"]


def open_source(
    data: Any,
    *,
    labels: str | Sequence[Any] | npt.NDArray[Any] | None = None,
    split: str | None = None,
    columns: Mapping[str, str] | Sequence[str] | None = None,
    same: str | None = None,
    strict: bool = False,
    channels: int | None = None,
    memory: int = 2 << 30,
    shorter_side: int | None = 512,
    workers: int | None = None,
    white: int | None = None,
) -> Source:
    """Samples from a path, "digits", "emoji", a NumPy or torch array, a list of pictures, or a source.

    Args:
        data: where the samples are; the page on data lists what can be read.
        labels: "folder" or a column, for evaluation only; for arrays one label a row.
        split: which part, where the data names parts; else all of it, and that is said.
        columns: what holds what, {"image": "filepath", "text": "title"} or ["image=filepath", "text=title"].
        same: "folder" or a column: samples that belong together.
        strict: stop at the first broken file instead of skipping it.
        channels: 1 or 3; by default 1 when all pictures are grey, else 3.
        memory: bytes of decoded pictures to keep; above it they are decoded when needed.
        shorter_side: pictures at least twice this size are read at 1/2, 1/4 or 1/8; None reads them whole.
        workers: threads that decode; by default one for each core.
        white: value of 16-bit pictures that stands for 1; by default 4095 if none goes beyond, else 65535.

    Raises:
        Unfit: with a sentence that says what to do.
    """
    if isinstance(data, Source):
        return data if split is None else data.split(split)
    if channels not in (None, 1, 3):
        raise Unfit(f"channels: files are read as 1 (grey) or 3 (RGB), not {channels}.")
    options = Options(
        labels,
        split,
        _columns(columns),
        same,
        strict,
        channels,
        memory,
        shorter_side,
        workers or os.cpu_count() or 1,
        white,
    )
    if isinstance(data, np.ndarray | Tensor):
        return from_array(data, options)
    if data == "digits":
        return digits(options)
    if data == "emoji":
        return emoji(options)
    if isinstance(data, list | tuple):
        return from_list(data, options)
    if not isinstance(data, str | os.PathLike):
        raise Unfit(
            f"data: a path, 'digits', 'emoji', or an array of pictures was expected, not {type(data).__name__}."
        )
    path = Path(data)
    known = KNOWN | {name.lower() for name in options.columns.values()}
    if path.is_dir():
        kept = saved(path)
        if kept is not None:
            return from_table(kept, options)
        table = metadata(path, SPLITS, known) if options.labels != "folder" else None
        return (
            from_folder(path, options)
            if table is None or "file_name" not in table.columns
            else from_table(table, options)
        )
    if path.suffix.lower() in ENDINGS and path.is_file():
        return from_table(read_table(path, known), options)
    if path.suffix.lower() == ".npy" and path.is_file():
        return from_array(_array(path), options, str(path))
    if path.suffix.lower() in extensions() and path.is_file():
        return from_list([path], options)
    if path.is_file():
        raise Unfit(f"{path} is a file of a kind that cannot be read; known: a folder, {', '.join(ENDINGS)}, .npy.")
    raise Unfit(f"{path} does not exist; give a folder, a file, or the name of an embedded set: digits, emoji.")


def _array(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise Unfit(f"{path} cannot be read as a NumPy array of numbers.") from None
    return array


def _columns(columns: Mapping[str, str] | Sequence[str] | None) -> dict[str, str]:
    if columns is None or isinstance(columns, Mapping):
        return dict(columns or {})
    pairs = [entry.partition("=") for entry in columns]
    for role, sign, column in pairs:
        if not (role and sign and column):
            raise Unfit(f"columns: {role + sign + column!r} is not of the form image=NAME.")
    return {role: column for role, _, column in pairs}
