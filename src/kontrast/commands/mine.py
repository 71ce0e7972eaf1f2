"""`kontrast mine INDEX`: hard negatives for what belongs together, in a table that `kontrast train` reads.

What belongs together is, by what the index holds: the columns anchor and positive of a table; a picture and its
caption; or, with a column of labels or groups, two rows of one of them.

Shapes: Q anchors, N rows searched, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from kontrast import keyed, progress
from kontrast.commands.search_index import of_index
from kontrast.commands.training_tables import Row, claim_table, pictures, write_table
from kontrast.errors import Unfit
from kontrast.vector_index.layout import Bank, Index
from kontrast.vector_index.mine import Knobs, Mined, plain
from kontrast.vector_index.mine import mine as mined

SHOWN, LETTERS = 5, 70  # likely positives that are printed, and letters of each of their texts
BLOCK = 4096  # sentences that are embedded at once


@dataclass(frozen=True)
class Task:
    """What is mined.

    anchors, positives  unit vectors (Q, D), read by slices;  bank  those searched (N, D)
    forbidden           (anchor, row of the bank) -> whether it is the same thing
    told                (anchor, rows of the bank) -> the row or rows of the table
    called              (anchor, row of the bank) -> both in words
    """

    anchors: Bank
    positives: Bank
    bank: Bank
    forbidden: Callable[[int, int], bool]
    told: Callable[[int, Sequence[int]], Iterator[Row]]
    called: Callable[[int, int], tuple[str, str]]


def mine(
    folder: str | Path | Index,
    out: Path,
    *,
    by: str | None = None,
    model: str | Path | None = None,
    seed: int = 0,
    **knobs: Any,
) -> tuple[Mined, list[str]]:
    """(what was mined, the lines that say it); writes a .csv or .parquet that `train` reads.

    by     a column: rows that are equal in it belong together (label, group, ...); None: anchor and positive of the
           table, or pictures and their captions
    knobs  fields of `kontrast.vector_index.mine.Knobs`: negatives, range_min, range_max, absolute_margin,
           relative_margin, min_score, max_score, sampling

    Text: anchor, positive, negative. Pictures: file names a, b and label (1 positive, 0 negative). Pairs: image, text
    and negative.
    """
    claim_table(out, (out if isinstance(folder, Index) else folder,))
    chosen = Knobs(**knobs)
    index = folder if isinstance(folder, Index) else Index.open(folder)
    task = _by_column(index, by, out, seed) if by else _by_pairs(index, out, model)
    found = mined(task.anchors, task.positives, task.bank, task.forbidden, chosen, seed=seed)
    if not len(found.anchors):
        raise Unfit(
            f"No anchor of {index.folder} has {chosen.negatives} negatives: "
            + "; ".join(found.lines()[-1:])
            + ". Take wider ranges or smaller margins."
        )
    rows = (row for q, negatives in zip(found.anchors.tolist(), found.rows.tolist()) for row in task.told(q, negatives))
    write_table(out, rows)
    lines = [
        f"mined    {len(found.anchors):,} of {len(task.anchors):,} anchors have {chosen.negatives}",
        *found.lines(),
    ]
    for q, row, score, own in found.likely[:SHOWN]:
        anchor, other = task.called(q, row)
        told = f"{anchor[:LETTERS]}  |  {other[:LETTERS]}"
        lines.append(f"likely   {score:.3f} beside {own:.3f} of its positive: {told}")
    return found, [*lines, f"wrote    {out}"]


def _by_pairs(index: Index, out: Path, model: str | Path | None) -> Task:
    """Anchors with the positives that their table names: the bank is all positives, each word for word once."""
    role = "positive" if index.meta.text else "text"
    if role not in index.columns:
        raise Unfit(
            f"{index.folder} has no column of positives; it has {', '.join(index.columns)}. Name one "
            "whose equal values belong together, such as --by label or --by group."
        )
    positives = index.column(role)
    place: dict[str, int] = {}
    at = np.array([place.setdefault(plain(words), len(place)) for words in positives])
    first = np.unique(at, return_index=True)[1]
    texts = [positives[row] for row in first]
    bank = _embedded(of_index(index, model), texts, index.meta.width)
    picture = None if index.meta.text else pictures(index, out)
    anchors = index.column("text") if index.meta.text else index.column("name")
    plain_anchors = [plain(words) for words in anchors] if index.meta.text else []
    same: dict[str, set[int]] = {}
    if index.meta.text:  # sentences that anchor one positive, and positives of one anchor, are never negatives
        for words, own in zip(plain_anchors, at.tolist()):
            same.setdefault(words, set()).add(own)
    names = list(place)

    def forbidden(q: int, row: int) -> bool:
        if row == at[q]:
            return True
        return bool(plain_anchors) and (names[row] == plain_anchors[q] or row in same[plain_anchors[q]])

    def told(q: int, rows: Sequence[int]) -> Iterator[Row]:
        for row in rows:
            if picture is None:
                yield {"anchor": anchors[q], "positive": positives[q], "negative": texts[row]}
            else:
                yield {"image": picture(q), "text": positives[q], "negative": texts[row]}

    return Task(index.vectors, _Rows(bank, at), bank, forbidden, told, lambda q, row: (anchors[q], texts[row]))


def _by_column(index: Index, by: str, out: Path, seed: int) -> Task:
    """Anchors are the rows with a partner of equal value; the partner is drawn by key, negatives have other values."""
    values = index.column(by)
    content = index.column("content")
    groups: dict[Any, list[int]] = {}
    for row, value in enumerate(values):
        if value is not None:
            groups.setdefault(value, []).append(row)
    rows = np.array([row for row, value in enumerate(values) if value is not None and len(groups[value]) > 1])
    if not len(rows) or len(groups) < 2:
        raise Unfit(f"--by {by}: two values are needed, one of them on two rows, to tell what belongs together.")
    partners = np.empty(len(rows), np.int64)
    for n, row in enumerate(rows.tolist()):
        others = [other for other in groups[values[row]] if other != row]
        partners[n] = others[int(keyed.below(len(others), "partner", seed, row))]
    called = index.called(range(len(index)))
    picture = None if index.meta.text else pictures(index, out)
    if picture is not None and out.suffix != ".csv":
        raise Unfit(f"--out {out}: rows of two pictures name their files; take a .csv that lies above the pictures.")

    def forbidden(q: int, row: int) -> bool:
        own = int(rows[q])
        return values[row] is None or values[row] == values[own] or content[row] == content[own]

    def told(q: int, negatives: Sequence[int]) -> Iterator[Row]:
        own, partner = int(rows[q]), int(partners[q])
        if picture is None:
            for row in negatives:
                yield {"anchor": called[own], "positive": called[partner], "negative": called[row]}
            return
        yield {"a": picture(own), "b": picture(partner), "label": 1}
        for row in negatives:
            yield {"a": picture(own), "b": picture(row), "label": 0}

    vectors = index.vectors
    return Task(
        _Rows(vectors, rows),
        _Rows(vectors, partners),
        vectors,
        forbidden,
        told,
        lambda q, row: (called[int(rows[q])], called[row]),
    )


class _Rows:
    """Some rows of a bank, in an order, as a bank."""

    def __init__(self, bank: Any, rows: npt.NDArray[np.int64]) -> None:
        self.bank, self.rows = bank, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice, /) -> npt.NDArray[np.float32]:
        wanted = self.rows[rows]
        found: npt.NDArray[np.float32] = (
            self.bank[wanted] if isinstance(self.bank, np.ndarray) else self.bank.take(wanted)
        )
        return found


def _embedded(model: Any, texts: Sequence[str], width: int) -> npt.NDArray[np.float32]:
    """Unit vectors (N, D) of sentences, embedded in blocks."""
    out = np.empty((len(texts), width), np.float32)
    for start in progress.passing(range(0, len(texts), BLOCK), "embedding positives", each=BLOCK, total=len(texts)):
        with progress.listening(lambda *_: None):
            vectors: torch.Tensor = model.embed_text(texts[start : start + BLOCK])
        out[start : start + BLOCK] = normalize(vectors.float(), dim=1).numpy()
    return out
