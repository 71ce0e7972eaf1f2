"""Search in smaller vectors: candidates from them, ranked again by the vectors of the index; see `smaller`.

Shapes: Q queries, k answers, N rows, D stored width, W kept width.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from kontrast.errors import Unfit
from kontrast.evaluate.knn import neighbours
from kontrast.keyed import Ids
from kontrast.vector_index.layout import Index
from kontrast.vector_index.smaller import AGAIN, LEAST, Certificate, read_code

BLOCK = 1 << 16  # rows read at a time


class Smaller:
    """The smaller vectors of one precision and width that lie beside an index, and their certificate."""

    def __init__(self, index: Index, precision: str, width: int = 0) -> None:
        """width: the columns that were kept; 0: all. Unfit where there are none, or where they are of other rows."""
        if precision not in LEAST:
            raise Unfit(f"--precision {precision!r}: {', '.join(LEAST)} were expected.")
        self.width = width or index.meta.width
        self.folder = index.folder / "smaller" / f"{precision}-{self.width}"
        again = f"kontrast index {index.meta.model} {index.meta.data} --out {index.folder} --precision {precision}"
        again += f" --width {width}" if width else ""
        if not (self.folder / "certificate.json").is_file():
            there = ", ".join(sorted(each.name for each in self.folder.parent.glob("[!.]*"))) or "none"
            raise Unfit(f"--precision {precision}: there are no such vectors beside the index ({there}): {again}")
        self.certificate = Certificate(**json.loads((self.folder / "certificate.json").read_text(encoding="utf-8")))
        if self.certificate.mark != index.mark:
            raise Unfit(f"{self.folder} was made before the index became what it is: {again}")
        self.code = read_code(self.folder, precision)
        self.stored = np.load(self.folder / "vectors.npy", mmap_mode="r")

    def candidates(self, query_QD: torch.Tensor, k: int, rows: Ids | None = None) -> Ids:
        """(Q, k or, of binary vectors, 20 times as many) rows, of these rows if they are given."""
        cut_QW = normalize(normalize(query_QD.float(), dim=1)[:, : self.width], dim=1)
        asked = torch.from_numpy(self.code.asked(cut_QW.numpy()))
        bank: Any = _Bank(self, rows, asked.shape[1])
        many = min(len(bank), AGAIN * k if self.code.precision == "binary" else k)
        found: Ids = neighbours(asked, bank, many, unit=True, block=BLOCK)[1].numpy()
        return found if rows is None else rows[found]


class _Bank:
    """What queries are multiplied with, read block by block."""

    ndim = 2

    def __init__(self, smaller: Smaller, rows: Ids | None, width: int) -> None:
        self.smaller, self.rows = smaller, rows
        self.shape = (len(smaller.stored) if rows is None else len(rows), width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, some: slice) -> npt.NDArray[np.float32]:
        taken = some if self.rows is None else self.rows[some]
        return self.smaller.code.bank(np.asarray(self.smaller.stored[taken]))
