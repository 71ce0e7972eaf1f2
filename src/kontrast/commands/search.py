"""`kontrast search`: what is nearest, exactly; in data that are embedded for it, or in an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kontrast.commands.outputs import claim_picture, write_picture
from kontrast.commands.search_index import LONGEST, search_index
from kontrast.commands.vectors import Vectors, opened, vectors
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate.knn import search as nearest_rows
from kontrast.modalities.inference import file_of
from kontrast.modalities.modality import InUse
from kontrast.modalities.registry import load
from kontrast.report.contact_sheet import neighbour_sheet
from kontrast.vector_index.layout import is_index


def asked_of(
    run: str | Path,
    data: Any,
    query: Sequence[str],
    *,
    k: int = 10,
    sheet: Path | None = None,
    queries: str | None = None,
    where: str | None = None,
    split: str | None = None,
    model: str | None = None,
    precision: str | None = None,
    width: int = 0,
    follow_links: bool = False,
) -> list[dict[str, Any]]:
    """What the command line asked for: one query of a run and data, or several of an index."""
    if data is not None or not is_index(run):
        if data is None:
            raise Unfit(f"{run} is no index: give the data to search, or make one: kontrast index {run} DATA --out F.")
        for flag, value in (("--where", where), ("--queries", queries), ("--model", model), ("--precision", precision)):
            if value:
                raise Unfit(f"{flag} is asked of an index alone: kontrast index {run} {data} --out FOLDER makes one.")
        if len(query) != 1:
            raise Unfit("--query: one query was expected; several are answered by an index (kontrast index).")
        return [search(run, data, query[0], k, sheet=sheet, split=split, follow_links=follow_links)]
    if width and not precision:
        raise Unfit("--width is of smaller vectors: name --precision int8, binary or float16 with it.")
    if follow_links:
        raise Unfit(f"--follow-links: {run} is an index, whose data were read when it was made.")
    if split:
        raise Unfit(f"--split: {run} is an index; choose its rows by --where \"split = '{split}'\".")
    try:
        lines = Path(queries).read_text(encoding="utf-8").splitlines() if queries else []
    except (OSError, UnicodeDecodeError) as problem:
        raise Unfit(f"--queries {queries} cannot be read as text: {problem}.") from None
    return search_index(
        run,
        [*query, *(line for line in lines if line.strip())],
        k,
        where=where,
        sheet=sheet,
        model=model,
        precision=precision,
        width=width,
    )


def search(
    run: str | Path,
    data: Any,
    query: str,
    k: int = 10,
    *,
    sheet: Path | None = None,
    split: str | None = None,
    follow_links: bool = False,
) -> dict[str, Any]:
    """The k samples of `data` whose vectors have the highest cosine to the query's, itself left out if it is one."""
    if k < 1:
        raise Unfit(f"-k must be at least 1, got {k}.")
    if sheet is not None:
        claim_picture("--sheet", sheet, (data, query))
    model = load(run)
    source = opened(model, data, split, follow_links=follow_links)
    if sheet is not None and source.pictures is None:
        raise Unfit(f"--sheet draws pictures, and {source.name} holds {source.kind}.")
    vectors_ND, called = vectors(model, source), model.called(source)
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
        write_picture(sheet, neighbour_sheet([(picture, list(zip(found, scores_k)))], source.white))
    return {"query": query, "searched": len(vectors_ND), "hits": hits}


def _query(model: InUse, source: Source, vectors_ND: Vectors, query: str) -> tuple[int | None, Vectors, Any]:
    """(its position among the vectors if it is one of them, its vector, its picture or None)."""
    if not query.isdigit() or file_of(query) is not None:
        return None, *model.asked(query)
    position = np.flatnonzero(source.ids == int(query))
    if len(position) == 0:
        raise Unfit(f"--query {query} is not a usable row of {source.name} (0 to {len(source) - 1}).")
    picture = None if source.pictures is None else source.images(np.array([int(query)]))[0]
    return int(position[0]), vectors_ND[position[0]], picture
