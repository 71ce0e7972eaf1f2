"""`kontrast embed` and `kontrast search`: vectors of pictures, sentences or both, and what is nearest to one of them.

Shapes: N samples, D width.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kontrast.data.sources import Source, open_source
from kontrast.errors import Unfit
from kontrast.explore.search import search as nearest_rows
from kontrast.explore.sheet import neighbour_sheet
from kontrast.model import Model, load
from kontrast.text_model import ROLES, TextModel

LONGEST = 120  # letters of a sentence that stand for it in a list
Vectors = npt.NDArray[np.float32]


def opened(model: Any, data: Any, split: str | None) -> Source:
    """All of the data (both parts of `digits`), with the channels that the model takes."""
    whole = "all" if data == "digits" else None
    if isinstance(model, TextModel):
        source = open_source(data, split=split or whole)
        if not any(role in source.columns for role in ROLES):
            raise Unfit(f"{source.name} holds {source.kind}, and this model reads sentences.")
        return source
    channels = model.spec["channels"] if isinstance(model, Model) else 3
    source = open_source(data, split=split or whole, channels=channels if channels in (1, 3) else None)
    if isinstance(model, Model) and source.pictures is None:
        raise Unfit(f"{source.name} holds {source.kind}, and this model sees pictures.")
    return source


def vectors(model: Any, source: Source) -> Vectors:
    """(N, D): of the pictures, where the source has some and the model sees them; else of the sentences."""
    if isinstance(model, Model | TextModel) or source.pictures is not None:
        found: Vectors = model.embed_source(source, source.ids).numpy()
        return found
    return np.asarray(model.embed_text(_sentences(source)), dtype=np.float32)


def names(model: Any, source: Source) -> list[str]:
    """What each sample is called: its file or row; a sentence by itself."""
    if isinstance(model, TextModel) or source.pictures is None:
        return _sentences(source)
    return [source.names[int(i)] for i in source.ids]


def _sentences(source: Source) -> list[str]:
    role = next((role for role in ROLES if role in source.columns), None)
    if role is None:
        raise Unfit(f"{source.name} holds {source.kind}; sentences or pictures were expected.")
    return source.texts(source.ids, role)


def embed(run: str | Path, data: Any, out: Path, *, split: str | None = None) -> list[str]:
    """Write the vectors of all usable samples, captions apart; returns the lines to print."""
    model = load(run)
    source = opened(model, data, split)
    if out.suffix not in (".npy", ".parquet"):
        raise Unfit(f"--out {out}: expected a name that ends in .npy or .parquet.")
    vectors_ND = vectors(model, source)
    lines = [f"vectors  {len(vectors_ND):,} of width {vectors_ND.shape[1]} from {source.name}"]
    lines += [f"skipped  {name}: {reason}" for _, name, reason in source.skipped]
    lines += [f"wrote    {_write(out, source.ids, names(model, source), vectors_ND)}"]
    if source.pictures is not None and "text" in source.columns and not isinstance(model, Model):
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


def search(
    run: str | Path, data: Any, query: str, k: int = 10, *, sheet: Path | None = None, split: str | None = None
) -> dict[str, Any]:
    """The k samples of `data` whose vectors have the highest cosine to the query's, itself left out if it is one."""
    model = load(run)
    source = opened(model, data, split)
    if k < 1:
        raise Unfit(f"-k must be at least 1, got {k}.")
    if sheet is not None and source.pictures is None:
        raise Unfit(f"--sheet draws pictures, and {source.name} holds {source.kind}.")
    vectors_ND, called = vectors(model, source), names(model, source)
    position, query_D, picture = _query(model, source, vectors_ND, query)
    rows, scores = nearest_rows(vectors_ND, query_D[None], min(k + (position is not None), len(vectors_ND)))
    hits = [
        {"row": int(source.ids[row]), "name": called[row][:LONGEST], "score": round(float(score), 6)}
        for row, score in zip(rows[0], scores[0])
        if position is None or int(row) != position
    ][:k]
    if sheet is not None:
        found = source.images(np.array([hit["row"] for hit in hits]))
        scores_k = [float(str(hit["score"])) for hit in hits]
        neighbour_sheet([(picture, list(zip(found, scores_k)))], source.white).save(sheet)
    return {"query": query, "searched": len(vectors_ND), "hits": hits}


def _query(model: Any, source: Source, vectors_ND: Vectors, query: str) -> tuple[int | None, Vectors, Any]:
    """(its position among the vectors if it is one of them, its vector, its picture or None)."""
    file = Path(query) if len(query) < 1000 and Path(query).is_file() else None
    if query.isdigit() and file is None:
        position = np.flatnonzero(source.ids == int(query))
        if len(position) == 0:
            raise Unfit(f"--query {query} is not a usable row of {source.name} (0 to {len(source) - 1}).")
        picture = None if source.pictures is None else source.images(np.array([int(query)]))[0]
        return int(position[0]), vectors_ND[position[0]], picture
    if isinstance(model, Model) and file is None:
        raise Unfit(f"--query {query!r} is neither a picture file nor a row number of {source.name}.")
    if file is None or isinstance(model, TextModel) or file.suffix == ".txt":
        words = query if file is None else _read(file)
        if not words.strip():
            raise Unfit("--query is empty; give words, a file or a row number.")
        return None, model.embed_text([words.strip()])[0].numpy(), None
    try:
        opened_file = Image.open(file)
        opened_file.load()
    except OSError as problem:
        raise Unfit(f"--query {query} cannot be read as a picture: {problem}.") from None
    shown = open_source([opened_file]).images([0])[0]
    return None, np.asarray(model.embed([opened_file]))[0], shown


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Unfit(f"--query {file} cannot be read as text: {problem}.") from None
