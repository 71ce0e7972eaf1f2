"""`kontrast embed`: one vector a sample, in a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast import files
from kontrast.commands.outputs import MARK, NAMES, beside, claim_vectors
from kontrast.commands.vectors import Vectors, opened, vectors
from kontrast.errors import Unfit
from kontrast.modalities.registry import load

ESCAPED = "backslashreplace"  # names that are not UTF-8


def embed(run: str | Path, data: Any, out: Path, *, split: str | None = None) -> list[str]:
    """Write the vectors of all usable samples, captions apart; returns the lines to print."""
    claim_vectors("--out", out, (data,))
    if out.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise Unfit('writing .parquet needs pyarrow: pip install "kontrast[data]".')
    model = load(run)
    source = opened(model, data, split)
    captioned = source.pictures is not None and "text" in source.columns and model.words
    apart = out.with_suffix(f".captions{out.suffix}")
    if captioned:
        claim_vectors("--out", apart, (data,))
    vectors_ND = vectors(model, source)
    lines = [f"vectors  {len(vectors_ND):,} of width {vectors_ND.shape[1]} from {source.name}"]
    lines += [f"skipped  {name}: {reason}" for _, name, reason in source.skipped]
    lines += [f"wrote    {_write(out, source.ids, model.called(source), vectors_ND)}"]
    if captioned:
        several = source.captions(source.ids)
        captions = [caption for group in several for caption in group]
        ids = np.repeat(source.ids, [len(group) for group in several])
        lines += [f"captions {_write(apart, ids, captions, model.embed_text(captions).numpy())}: {len(captions):,}"]
    return lines


def _write(out: Path, ids: npt.NDArray[np.int64], called: Sequence[str], vectors_ND: Vectors) -> str:
    if out.suffix == ".parquet":
        _write_parquet(out, ids, called, vectors_ND)
        return str(out)
    with files.whole(beside(out)) as part, open(part, "w", newline="", encoding="utf-8", errors=ESCAPED) as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        writer.writerows([row, int(i), name] for row, (i, name) in enumerate(zip(ids, called)))
    with files.whole(out) as part:
        np.save(part, vectors_ND)
    return f"{out} and {beside(out)}"


def _write_parquet(out: Path, ids: npt.NDArray[np.int64], called: Sequence[str], vectors_ND: Vectors) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": ids, "name": list(called), "vector": list(vectors_ND)})
    with files.whole(out) as part:
        pq.write_table(table.replace_schema_metadata({MARK: "embed"}), part)
