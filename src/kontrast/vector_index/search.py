"""What is nearest in an index: exact by blocked products, or candidates of faiss or of smaller vectors ranked again.

Nothing approximate is given without its measured recall. Rows that a condition leaves out are never found.

Shapes: Q queries, k answers, N rows, D width.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kontrast import keyed, progress
from kontrast.errors import Unfit
from kontrast.evaluate.knn import neighbours
from kontrast.keyed import Ids
from kontrast.vector_index.by_smaller import Smaller
from kontrast.vector_index.layout import Index

EXACT = 2_000_000  # rows up to which every row is looked at
BLOCK = 1 << 14  # rows read at a time
PROBES = 100  # rows of the index that the recall is measured with
CANDIDATES = 20  # for each answer wanted, ranked again exactly


@dataclass(frozen=True)
class Found:
    """Rows (Q, k) and their cosines (Q, k), best first; equal cosines by row.

    recall    share of the true ten nearest that are found, measured; None: every row was looked at
    searched  rows that could be found

    Where fewer rows than k can be found, the places beyond are -1 with a cosine of -inf.
    """

    rows: Ids
    cosines: npt.NDArray[np.float32]
    searched: int
    recall: float | None = None


def nearest(
    index: Index,
    query_QD: torch.Tensor,
    k: int,
    *,
    where: str | None = None,
    exact: int = EXACT,
    smaller: Smaller | None = None,
) -> Found:
    """The k rows with the highest cosine to each query, of those that fulfil the condition.

    where  an SQL condition over the columns of the index, such as label = 'cat' AND split <> 'test'
    exact  rows up to which all are looked at
    smaller  vectors that the candidates come from, instead

    Unfit for a k below 1, a condition that is not understood or that no row fulfils, and without faiss above `exact`.
    """
    if k < 1:
        raise Unfit(f"-k must be at least 1, got {k}.")
    kept = fulfilling(index, where) if where else None
    count = len(index) if kept is None else len(kept)
    if not count:
        raise Unfit(f"--where {where!r}: no row of {index.folder} fulfils it.")
    if smaller is not None:
        answers = _ranked(index, query_QD, smaller.candidates(query_QD, min(k, count), kept), k)
        return Found(*answers, count, recall=smaller.certificate.recall_at_10)
    if kept is None and count > exact:
        return _by_candidates(index, query_QD, k)
    bank: Any = index.vectors if kept is None else _Some(index, kept)
    scores, places = neighbours(query_QD, bank, min(k, count), unit=True, block=BLOCK)
    rows = places.numpy() if kept is None else kept[places.numpy()]
    return Found(*_padded(rows, scores.numpy(), k), count)


class _Some:
    """Some rows of an index as a bank."""

    ndim = 2

    def __init__(self, index: Index, rows: Ids) -> None:
        self.vectors, self.rows, self.shape = index.vectors, rows, (len(rows), index.meta.width)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> npt.NDArray[np.float32]:
        return self.vectors.take(self.rows[rows])


def _padded(rows: Ids, cosines: npt.NDArray[np.float32], k: int) -> tuple[Ids, npt.NDArray[np.float32]]:
    missing = max(0, k - rows.shape[1])
    return (
        np.pad(rows, ((0, 0), (0, missing)), constant_values=-1),
        np.pad(cosines, ((0, 0), (0, missing)), constant_values=-np.inf),
    )


def fulfilling(index: Index, where: str) -> Ids:
    """The rows that fulfil an SQL condition over the items' columns, ascending; nothing outside them can be read."""
    try:
        import duckdb
    except ImportError:
        raise Unfit('--where is answered by DuckDB: pip install "kontrast[search]".') from None
    import pyarrow as pa

    items = index.items.append_column("row", pa.array(np.arange(len(index))))
    with duckdb.connect(config={"enable_external_access": False, "threads": 1}) as base:
        base.register("items", items)
        try:
            found = base.execute(f"SELECT row FROM items WHERE ({where}\n) ORDER BY row").fetchnumpy()["row"]
        except duckdb.Error as problem:
            told = str(problem).splitlines()[0]
            raise Unfit(
                f"--where {where!r} is not understood ({told}). The columns are {', '.join(items.column_names)}; words "
                "stand between single quotation marks, as in --where \"label = 'cat'\"."
            ) from None
    rows: Ids = np.asarray(found).astype(np.int64)
    return rows


def _by_candidates(index: Index, query_QD: torch.Tensor, k: int) -> Found:
    """Candidates from faiss' inverted lists, ranked again exactly; with the recall that rows of the index measure."""
    base = _faiss(index)
    rows, cosines = _ranked(index, query_QD, _candidates(index, base, query_QD, k), k)
    probes = np.sort(keyed.permuted(np.arange(min(PROBES, len(index))), len(index), "recall probes"))
    asked = torch.from_numpy(index.vectors.take(probes))
    ten = min(10, len(index))
    approximate, _ = _ranked(index, asked, _candidates(index, base, asked, ten), ten)
    bank: Any = index.vectors
    _, exact = neighbours(asked, bank, ten, unit=True, block=BLOCK)
    hits = [len(set(a) & set(b)) for a, b in zip(approximate.tolist(), exact.tolist())]
    return Found(rows, cosines, len(index), recall=float(np.mean(hits)) / ten)


def _candidates(index: Index, base: Any, query_QD: torch.Tensor, k: int) -> Ids:
    unit_QD = torch.nn.functional.normalize(query_QD.float(), dim=1)
    found: Ids = base.search(unit_QD.numpy(), min(len(index), CANDIDATES * k))[1]
    return found


def _ranked(index: Index, query_QD: torch.Tensor, candidates: Ids, k: int) -> tuple[Ids, npt.NDArray[np.float32]]:
    """Candidates (Q, any number; -1: none) by their true cosines."""
    found = []
    for query_D, some in zip(query_QD.float(), candidates):
        some = np.unique(some[some >= 0])
        scores, places = neighbours(query_D[None], index.vectors.take(some), min(k, len(some)), unit=True)
        found.append(_padded(some[places.numpy()], scores.numpy(), k))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([cosines for _, cosines in found])


def _faiss(index: Index) -> Any:
    """Inverted lists over the vectors, made once and kept beside them."""
    try:
        import faiss
    except ImportError:
        raise Unfit(
            f"{index.folder} holds {len(index):,} rows, and above {EXACT:,} candidates come from faiss: "
            'pip install "kontrast[search]".'
        ) from None
    file, note = index.folder / "faiss.index", index.folder / "faiss.mark"
    if file.exists() and note.exists() and note.read_text() == index.mark:
        return faiss.read_index(str(file))
    lists = max(1, min(len(index) // 39, int(4 * len(index) ** 0.5)))
    base = faiss.index_factory(index.meta.width, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    sample = keyed.permuted(np.arange(min(len(index), 64 * lists)), len(index), "faiss sample")
    progress.told("training faiss' lists", 0, 0)
    base.train(index.vectors.take(np.sort(sample)))
    for start in progress.passing(range(0, len(index), 1 << 16), "filling faiss' lists", each=1 << 16):
        base.add(index.vectors[start : start + (1 << 16)])
    faiss.ParameterSpace().set_index_parameter(base, "nprobe", max(16, lists // 16))
    part = index.folder / f".faiss.{os.getpid()}.part"
    faiss.write_index(base, str(part))
    part.replace(file)
    note.write_text(index.mark)
    return base
