"""`kontrast embed` and `kontrast search`: vectors of data, and the nearest ones to a picture or a row."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kontrast.data.sources import Source, open_source
from kontrast.errors import Unfit
from kontrast.explore.search import search as nearest_rows
from kontrast.explore.sheet import neighbour_sheet
from kontrast.model import Model, load


def opened(model: Model, data: Any, split: str | None) -> Source:
    """All of the data (both parts of `digits`), with the channels that the model takes."""
    channels = model.spec["channels"]
    whole = "all" if data == "digits" else None
    return open_source(data, split=split or whole, channels=channels if channels in (1, 3) else None)


def embed(run: str | Path, data: Any, out: Path, *, split: str | None = None) -> list[str]:
    """Write the vectors of all usable samples; returns the lines to print."""
    model = load(run)
    source = opened(model, data, split)
    vectors_ND = model.embed(source)
    names = [source.names[int(i)] for i in source.ids]
    if out.suffix == ".npy":
        np.save(out, vectors_ND)
        beside = out.with_suffix(".csv")
        with open(beside, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "id", "name"])
            writer.writerows([row, int(i), name] for row, (i, name) in enumerate(zip(source.ids, names)))
        written = f"{out} and {beside}"
    elif out.suffix == ".parquet":
        _write_parquet(out, source.ids, names, vectors_ND)
        written = str(out)
    else:
        raise Unfit(f"--out {out}: expected a name that ends in .npy or .parquet.")
    skipped = [f"skipped  {name}: {reason}" for _, name, reason in source.skipped]
    count, width = vectors_ND.shape
    return [f"vectors  {count:,} of width {width} from {source.name}", *skipped, f"wrote    {written}"]


def _write_parquet(out: Path, ids: np.ndarray, names: list[str], vectors_ND: np.ndarray) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Unfit('writing .parquet needs pyarrow: pip install "kontrast[data]".') from None
    pq.write_table(pa.table({"id": ids, "name": names, "vector": list(vectors_ND)}), out)


def search(
    run: str | Path, data: Any, query: str, k: int = 10, *, sheet: Path | None = None, split: str | None = None
) -> dict[str, Any]:
    """The k samples of `data` whose vectors have the highest cosine to the query's, itself left out if it is one."""
    model = load(run)
    source = opened(model, data, split)
    if k < 1:
        raise Unfit(f"-k must be at least 1, got {k}.")
    vectors_ND = model.embed(source)
    position, query_D, picture = _query(model, source, vectors_ND, query)
    rows, scores = nearest_rows(vectors_ND, query_D[None], min(k + (position is not None), len(vectors_ND)))
    hits = [
        {"row": int(source.ids[row]), "name": source.names[int(source.ids[row])], "score": round(float(score), 6)}
        for row, score in zip(rows[0], scores[0])
        if position is None or int(row) != position
    ][:k]
    if sheet is not None:
        found = source.images(np.array([hit["row"] for hit in hits]))
        scores_k = [float(str(hit["score"])) for hit in hits]
        neighbour_sheet([(picture, list(zip(found, scores_k)))]).save(sheet)
    return {"query": query, "searched": len(vectors_ND), "hits": hits}


def _query(model: Model, source: Source, vectors_ND: np.ndarray, query: str) -> tuple[int | None, np.ndarray, Any]:
    """(its position among the vectors if it is one of them, its vector, its picture)."""
    if query.isdigit() and not Path(query).exists():
        position = np.flatnonzero(source.ids == int(query))
        if len(position) == 0:
            raise Unfit(f"--query {query} is not a usable row of {source.name} (0 to {len(source) - 1}).")
        return int(position[0]), vectors_ND[position[0]], source.images(np.array([int(query)]))[0]
    if not Path(query).is_file():
        raise Unfit(f"--query {query!r} is neither a picture file nor a row number of {source.name}.")
    try:
        picture = Image.open(query)
        picture.load()
    except OSError as problem:
        raise Unfit(f"--query {query} cannot be read as a picture: {problem}.") from None
    return None, model.embed([picture])[0], picture
