"""`kontrast embed`: one vector a sample, in a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast import files
from kontrast.commands.outputs import MARK, NAMES, beside, claim_vectors
from kontrast.commands.vectors import Vectors, opened
from kontrast.errors import Unfit
from kontrast.modalities.registry import load

BLOCK = 1 << 16  # samples between two writes; sentences of one block are sorted by length
ESCAPED = "backslashreplace"  # names that are not UTF-8


def embed(run: str | Path, data: Any, out: Path, *, split: str | None = None, follow_links: bool = False) -> list[str]:
    """Write the vectors of all usable samples, captions apart; returns the lines to print.

    Samples are read, embedded and written in blocks, so neither pictures nor vectors need fit memory.
    """
    claim_vectors("--out", out, (data,))
    if out.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise Unfit('writing .parquet needs pyarrow: pip install "kontrast[data]".')
    model = load(run)
    source = opened(model, data, split, follow_links=follow_links)
    captioned = source.pictures is not None and "text" in source.columns and model.words
    apart = out.with_suffix(f".captions{out.suffix}")
    if captioned:
        claim_vectors("--out", apart, (data,))
    blocks = (model.embed_source(source, part).numpy() for part in _cut(source.ids))
    wrote, width = _write(out, source.ids, model.called(source), blocks)
    lines = [f"vectors  {len(source.ids):,} of width {width} from {source.name}"]
    lines += [f"skipped  {name}: {reason}" for _, name, reason in source.skipped]
    lines += [f"wrote    {wrote}"]
    if captioned:
        several = source.captions(source.ids)
        captions = [caption for group in several for caption in group]
        ids = np.repeat(source.ids, [len(group) for group in several])
        blocks = (model.embed_text(part).numpy() for part in _cut(captions))
        lines += [f"captions {_write(apart, ids, captions, blocks)[0]}: {len(captions):,}"]
    return lines


def _cut(rows: Any) -> Iterator[Any]:
    """Rows in blocks."""
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def _write(out: Path, ids: npt.NDArray[np.int64], called: Sequence[str], blocks: Iterable[Vectors]) -> tuple[str, int]:
    """(what was written, the width of the vectors)."""
    blocks = iter(blocks)
    first = next(blocks)
    if out.suffix == ".parquet":
        _write_parquet(out, ids, called, chain([first], blocks))
        return str(out), first.shape[1]
    with files.whole(out) as part:
        place = np.lib.format.open_memmap(part, mode="w+", dtype=first.dtype, shape=(len(ids), first.shape[1]))
        done = 0
        for block in chain([first], blocks):
            place[done : done + len(block)] = block
            done += len(block)
        place.flush()
        del place
        with files.whole(beside(out)) as names, open(names, "w", newline="", encoding="utf-8", errors=ESCAPED) as file:
            writer = csv.writer(file)
            writer.writerow(NAMES)
            writer.writerows([row, int(i), name] for row, (i, name) in enumerate(zip(ids, called)))
    return f"{out} and {beside(out)}", first.shape[1]


def _write_parquet(out: Path, ids: npt.NDArray[np.int64], called: Sequence[str], blocks: Iterable[Vectors]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    done, writer = 0, None
    with files.whole(out) as part:
        for block in blocks:
            rows = slice(done, done + len(block))
            table = pa.table({"id": ids[rows], "name": list(called[rows]), "vector": list(block)})
            table = table.replace_schema_metadata({MARK: "embed"})
            writer = writer or pq.ParquetWriter(part, table.schema)
            writer.write_table(table)
            done += len(block)
        if writer is not None:
            writer.close()
