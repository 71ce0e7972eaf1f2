"""What can be read, and the one call that reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast.data.readers.arrays import digits, from_array, from_list
from kontrast.data.readers.columns import KNOWN
from kontrast.data.readers.emoji import emoji
from kontrast.data.readers.files import extensions, is_file, is_folder
from kontrast.data.readers.folders import from_folder
from kontrast.data.readers.hf_datasets import saved
from kontrast.data.readers.listing import listed
from kontrast.data.readers.python import from_python
from kontrast.data.readers.table_files import metadata, read_table
from kontrast.data.readers.table_source import from_table
from kontrast.data.readers.tables import ENDINGS, Table
from kontrast.data.source import Options, Source, held_out
from kontrast.errors import Unfit, shown

__all__ = ["Source", "held_out", "open_source"]

EMBEDDED = ("digits", "emoji")  # sets that are asked for by name


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
    follow_links: bool = False,
    texts_only: bool = False,
    beside: bool = False,
    survey: bool = True,
) -> Source:
    """Samples from a path, "digits", "emoji", an array, a list of pictures or sentences, a DataFrame, or a source.

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
        follow_links: follow symbolic links out of the folder and to folders; none is read twice.
        texts_only: of a table with pictures and words, read the words.
        beside: keep the columns of a table that play no part, too, for filters.
        survey: look at every picture now, and know the broken ones and the repeats. Without it the pictures of a folder
            are decoded when they are asked for the first time, and kept while they fit `memory`; `strict` looks at all.

    Raises:
        Unfit: with a sentence that says what to do.
    """
    if isinstance(data, Source):
        return data if split is None else data.split(split)
    if isinstance(data, str) and not data.strip():
        raise Unfit(f"data: an empty name; give a folder, a file, or an embedded set: {', '.join(EMBEDDED)}.")
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
        follow_links,
        texts_only,
        beside,
        survey or strict,
    )
    if not isinstance(data, str | os.PathLike):
        source = from_python(data, options)
        if source is None:
            raise Unfit(
                "data: a path, 'digits', 'emoji', an array of pictures, a list or a table was expected, not "
                f"{type(data).__name__}."
            )
        return source
    if data == "digits":
        return digits(options)
    if data == "emoji":
        return emoji(options)
    if not str(data).strip():
        raise Unfit("data: the path is empty; give a folder, a file, or the name of an embedded set: digits, emoji.")
    return _from_path(Path(data), options)


def _from_path(path: Path, options: Options) -> Source:
    known = KNOWN | {name.lower() for name in options.columns.values()}
    if is_folder(path):
        kept = saved(path)
        if kept is not None:
            return from_table(kept, options)
        table = metadata(path, known) if options.labels != "folder" else None
        if table is not None and "file_name" in table.columns:
            return from_table(_with_unlisted(table, path, options), options)
        return from_folder(path, options)
    if not is_file(path):
        name = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}..."
        raise Unfit(
            f"{name} does not exist; give a folder, a file, or the name of an embedded set: digits, emoji. "
            "Sentences are given as a list."
        )
    if path.suffix.lower() in ENDINGS:
        return from_table(read_table(path, known), options)
    if path.suffix.lower() in READERS:
        return READERS[path.suffix.lower()](path, options)
    if path.suffix.lower() in extensions():
        return from_list([path], options)
    raise Unfit(f"{path} is a file of a kind that cannot be read; known: a folder, {', '.join((*ENDINGS, *READERS))}.")


def _with_unlisted(table: Table, folder: Path, options: Options) -> Table:
    """A table of metadata that says, too, which pictures of its folder it does not list."""
    names = {os.path.normpath(str(name)) for name in table.columns["file_name"]}
    beside = [name for name in listed(folder, options.follow_links)[0] if name not in names]
    if not beside:
        return table
    told = f"{len(beside):,} pictures that the metadata do not list, left out; the first is {shown(beside[0])}"
    return replace(table, messages=(*table.messages, told))


def from_npy(path: Path, options: Options) -> Source:
    """Pictures in a file of NumPy's."""
    return from_array(_array(path), options, str(path))


READERS: dict[str, Callable[[Path, Options], Source]] = {  # by the end of a file's name, beside tables and pictures
    ".npy": from_npy,
}


def _array(path: Path) -> npt.NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except Exception:  # of a damaged head NumPy's reader raises whatever it likes: TokenError, SyntaxError, ...
        array = None
    if not isinstance(array, np.ndarray):
        raise Unfit(f"{path} cannot be read as a NumPy array of numbers.")
    return array


def _columns(columns: Mapping[str, str] | Sequence[str] | None) -> dict[str, str]:
    if columns is None or isinstance(columns, Mapping):
        return dict(columns or {})
    pairs = [entry.partition("=") for entry in columns]
    for role, sign, column in pairs:
        if not (role and sign and column):
            raise Unfit(f"columns: {role + sign + column!r} is not of the form image=NAME.")
    return {role: column for role, _, column in pairs}
