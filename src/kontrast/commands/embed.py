"""`kontrast embed`: one vector a sample, in a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast.commands.vectors import Vectors, opened, vectors
from kontrast.errors import Unfit
from kontrast.modalities.registry import load


def embed(run: str | Path, data: Any, out: Path, *, split: str | None = None) -> list[str]:
    """Write the vectors of all usable samples, captions apart; returns the lines to print."""
    model = load(run)
    source = opened(model, data, split)
    if out.suffix not in (".npy", ".parquet"):
        raise Unfit(f"--out {out}: expected a name that ends in .npy or .parquet.")
    vectors_ND = vectors(model, source)
    lines = [f"vectors  {len(vectors_ND):,} of width {vectors_ND.shape[1]} from {source.name}"]
    lines += [f"skipped  {name}: {reason}" for _, name, reason in source.skipped]
    lines += [f"wrote    {_write(out, source.ids, model.called(source), vectors_ND)}"]
    if source.pictures is not None and "text" in source.columns and model.words:
        several = source.captions(source.ids)
        captions = [caption for group in several for caption in group]
        ids = np.repeat(source.ids, [len(group) for group in several])
        beside = out.with_suffix(f".captions{out.suffix}")
        lines += [f"captions {_write(beside, ids, captions, model.embed_text(captions).numpy())}: {len(captions):,}"]
    return lines


def _write(out: Path, ids: npt.NDArray[np.int64], called: Sequence[str], vectors_ND: Vectors) -> str:
    if out.suffix == ".parquet":
        _write_parquet(out, ids, called, vectors_ND)
        return str(out)
    np.save(out, vectors_ND)
    beside = out.with_suffix(".csv")
    with open(beside, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "id", "name"])
        writer.writerows([row, int(i), name] for row, (i, name) in enumerate(zip(ids, called)))
    return f"{out} and {beside}"


def _write_parquet(out: Path, ids: npt.NDArray[np.int64], called: Sequence[str], vectors_ND: Vectors) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Unfit('writing .parquet needs pyarrow: pip install "kontrast[data]".') from None
    pq.write_table(pa.table({"id": ids, "name": list(called), "vector": list(vectors_ND)}), out)
