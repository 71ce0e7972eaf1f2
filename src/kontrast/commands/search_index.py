"""`kontrast search INDEX`: what is nearest in data that were embedded once.

Shapes: Q queries, k answers, D width.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from kontrast.commands.outputs import claim_picture, write_picture
from kontrast.errors import Unfit
from kontrast.modalities.inference import file_of
from kontrast.modalities.registry import load
from kontrast.report.contact_sheet import sheet as drawn
from kontrast.report.contact_sheet import shown
from kontrast.vector_index.build import weights_of
from kontrast.vector_index.by_smaller import Smaller
from kontrast.vector_index.layout import Index
from kontrast.vector_index.search import EXACT, nearest

LONGEST = 120  # letters of a sentence that stand for it in a list


@dataclass(frozen=True)
class Asked:
    """A query: its words, its vector (D,), its picture if it has one, and its row if it is one of the index."""

    query: str
    vector: torch.Tensor
    picture: Image.Image | None = None
    row: int | None = None


def search_index(
    folder: str | Path | Index,
    queries: Sequence[str],
    k: int = 10,
    *,
    where: str | None = None,
    sheet: Path | None = None,
    model: str | Path | None = None,
    precision: str | None = None,
    width: int = 0,
    exact: int = EXACT,
) -> list[dict[str, Any]]:
    """For each query the k rows of an index with the highest cosine, itself left out if it is one.

    queries  words (of a model that reads them), picture or text files, or ids of samples of the index
    where    an SQL condition over the columns of the index
    sheet    a picture file to draw queries and answers on
    model    the folder of the model, where it has moved since the index was made
    precision, width  of the smaller vectors that candidates come from; None: all rows are looked at as they are

    Each is {"query", "searched", "hits": [{"row", "name", "score"}]}, "row" being the sample's id; "recall_at_10" is
    there where faiss or smaller vectors chose the candidates.
    """
    if k < 1:
        raise Unfit(f"-k must be at least 1, got {k}.")
    if not queries:
        raise Unfit("--query: at least one query was expected.")
    if sheet is not None:
        claim_picture("--sheet", sheet, queries)
    index = folder if isinstance(folder, Index) else Index.open(folder)
    if sheet is not None and not index.meta.thumbnail:
        raise Unfit(f"--sheet draws pictures, and {index.folder} holds none.")
    smaller = Smaller(index, precision, width) if precision else None
    asked = _asked(index, queries, model)
    more = any(one.row is not None for one in asked)
    found = nearest(
        index, torch.stack([one.vector for one in asked]), k + more, where=where, exact=exact, smaller=smaller
    )
    ids = index.items.column("id").to_numpy()
    results, lines = [], []
    for one, rows, cosines in zip(asked, found.rows.tolist(), found.cosines.tolist()):
        hits = [(row, score) for row, score in zip(rows, cosines) if row >= 0 and row != one.row][:k]
        names = index.called([row for row, _ in hits])
        told = [
            {"row": int(ids[row]), "name": name[:LONGEST], "score": round(score, 6)}
            for (row, score), name in zip(hits, names)
        ]
        result = {"query": one.query, "searched": found.searched, "hits": told}
        results.append(result if found.recall is None else {**result, "recall_at_10": round(found.recall, 4)})
        if sheet is not None:
            pictures = [_picture(content) for content in index.thumbnails([row for row, _ in hits])]
            cells = [(picture, f"{score:.3f}") for picture, (_, score) in zip(pictures, hits)]
            lines.append([*([(one.picture, "query")] if one.picture else []), *cells])
    if sheet is not None:
        write_picture(sheet, drawn(lines))
    return results


def _asked(index: Index, queries: Sequence[str], model: str | Path | None) -> list[Asked]:
    """Rows of the index are looked up; all else is embedded by its model, which is loaded only then."""
    ids: dict[int, int] = {}
    if any(_numbered(query) for query in queries):
        ids = {sample: row for row, sample in enumerate(index.items.column("id").to_pylist())}
    in_use = None
    found = []
    for query in queries:
        if _numbered(query):
            row = ids.get(int(query))
            if row is None:
                raise Unfit(f"--query {query} is not the id of a row of {index.folder} (0 to {max(ids)}).")
            content = index.thumbnails([row])[0]
            vector = torch.from_numpy(index.vectors.take([row])[0])
            found.append(Asked(query, vector, _picture(content) if content else None, row))
            continue
        in_use = in_use or of_index(index, model)
        asked, picture = in_use.asked(query)
        pixels = None if picture is None else shown(picture.float() / (65535 if picture.dtype == torch.uint16 else 255))
        found.append(Asked(query, torch.as_tensor(np.asarray(asked)), pixels))
    return found


def _numbered(query: str) -> bool:
    return query.isdigit() and file_of(query) is None


def of_index(index: Index, model: str | Path | None = None) -> Any:
    """The model that made an index. Unfit where it is gone, or is another by now."""
    folder = Path(index.meta.model if model is None else model)
    if not folder.is_dir():
        raise Unfit(f"{index.folder} was made by {folder}, which is not there; say where it is: --model FOLDER.")
    if weights_of(folder) != index.meta.weights:
        raise Unfit(
            f"{folder} is not the model that made {index.folder}: its files are others. Make the index anew: "
            f"kontrast index {folder} {index.meta.data} --out {index.folder}"
        )
    return load(folder)


def _picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")
