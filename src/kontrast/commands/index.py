"""`kontrast index`: data embedded once, in a folder that search, map, duplicates and mine read."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kontrast.commands.vectors import opened
from kontrast.errors import Unfit
from kontrast.modalities.registry import load
from kontrast.vector_index.build import Made, build, meta_of
from kontrast.vector_index.layout import Index
from kontrast.vector_index.shards import Wanted
from kontrast.vector_index.smaller import LEAST, shrink

MEMORY = 64 << 20  # bytes of decoded pictures that are kept: each is looked at once or twice
NEEDED = 'An index keeps what its rows are in Parquet files: pip install "kontrast[search]".'


def index(model: str | Path, data: Any, out: str | Path, **how: Any) -> Index:
    """Embed data into the folder `out`, or finish, extend and refresh the index that is there; returns it, open.

    model       a run folder or a model folder
    data        a path, or the name of an embedded set
    how         dtype "float32" or "float16"; thumbnail, pixels of the pictures kept for looking (64; 0: none); split,
                labels, columns, same and follow_links as `kontrast.data.open_source` takes them

    Any number of processes may be given the same words at once: each makes the shards that nobody else makes, and all
    return when the index is whole, to the same bytes. Unfit where the folder holds something else.
    """
    return _made(model, data, Path(out), **how).index


def written(
    model: str | Path,
    data: Any,
    out: Path,
    *,
    precision: str | None = None,
    width: int = 0,
    least: float | None = None,
    **how: Any,
) -> list[str]:
    """The same, with smaller vectors beside the index where a precision is named; returns the lines to print."""
    if precision is None and (width or least is not None):
        raise Unfit("--width and --least are of smaller vectors: name --precision int8, binary or float16 with them.")
    if precision is not None and precision not in LEAST:
        raise Unfit(f"--precision {precision!r}: {', '.join(LEAST)} were expected.")
    made = _made(model, data, out, **how)
    meta = made.index.meta
    new = len(made.made) - len(made.remade)
    lines = [
        f"index    {meta.rows:,} rows of width {meta.width}, {meta.dtype}, in {meta.shards:,} shards of {meta.data}"
    ]
    told = [f"{new:,} made here"] if new else []
    if made.remade:
        numbers = ", ".join(f"{n:05d}" for n in made.remade[:8]) + (" ..." if len(made.remade) > 8 else "")
        told.append(f"{len(made.remade):,} made again, changed or damaged ({numbers})")
    left = meta.shards - len(made.made)
    told += [f"{left:,} as they were, or made by others"] if left else []
    lines.append(f"shards   {', '.join(told)}")
    lines.append(f"columns  {', '.join(made.index.columns)}" + (", thumbnail" if meta.thumbnail else ""))
    if precision is not None:
        folder, certificate = shrink(made.index, precision, width, least=least)
        lines += [f"smaller  {certificate.line()}", f"         {folder}"]
    return [*lines, f"wrote    {out}    next: kontrast search {out} --query ...    kontrast explore {out}"]


def _made(
    model: str | Path,
    data: Any,
    out: Path,
    *,
    dtype: str = "float32",
    thumbnail: int = 64,
    shard: int | None = None,
    **options: Any,
) -> Made:
    if find_spec("pyarrow") is None:
        raise Unfit(NEEDED)
    _apart(out, model, data)
    options = {name: value for name, value in options.items() if value is not None}
    in_use = load(model)
    how = {name: value for name, value in options.items() if name != "split"}
    source = opened(in_use, data, options.get("split"), memory=MEMORY, beside=True, **how)
    wanted = Wanted(source, in_use.embed_source)
    more: dict[str, Any] = {"options": options} | ({} if shard is None else {"shard": shard})
    made_by: dict[str, Any] = {"model": Path(model), "data": _named(data), "width": in_use.width}
    meta = meta_of(wanted, dtype=dtype, thumbnail=thumbnail, **made_by, **more)
    return build(out, meta, wanted)


def _named(data: Any) -> str:
    """What the data are called: a path in full, so that it holds from any folder."""
    if not isinstance(data, str | os.PathLike):
        return f"{type(data).__name__} in Python"
    return str(Path(data).resolve()) if os.path.exists(data) else str(data)


def _apart(out: Path, model: str | Path, data: Any) -> None:
    """Unfit where the index would lie within what it is made of."""
    for given in (model, data):
        if isinstance(given, str | os.PathLike) and Path(given).is_dir():
            here, there = Path(os.path.realpath(out)), Path(os.path.realpath(given))
            if here == there or (given is data and there in here.parents):
                raise Unfit(f"--out {out} lies in {given}, which it is made of. Choose another folder.")
