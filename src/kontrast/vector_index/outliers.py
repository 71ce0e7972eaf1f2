"""Rows that are far from everything: broken samples, other data, or the rarest of what there is.

Shapes: N rows of the index, L rows that are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from kontrast import keyed
from kontrast.evaluate.knn import neighbours
from kontrast.keyed import Ids
from kontrast.vector_index.layout import Index

NEAREST = 10
BANK = 50_000  # rows that neighbours are looked for among, at most
PRODUCTS = 400_000_000  # cosines that are computed, at most


@dataclass(frozen=True)
class Outliers:
    """Rows (L,), the farthest first, with the mean cosine of each to its ten nearest; equal ones by row.

    among  rows that neighbours were looked for among: L and this are N where all were looked at
    """

    rows: Ids
    cosines: npt.NDArray[np.float32]
    among: int


def outliers(index: Index, *, seed: int = 0) -> Outliers:
    """Rows by how far their ten nearest are. Of many rows a keyed sample is looked at, among a keyed sample.

    All of up to 20,000 rows; of a million 8,000, among 50,000.
    """
    count = len(index)
    bank = min(count, BANK)
    looked = max(1, min(count, PRODUCTS // bank))
    order = keyed.permuted(np.arange(bank), count, "outliers", seed)
    bank_rows, asked = np.sort(order), np.sort(order[:looked])
    vectors = torch.from_numpy(index.vectors.take(bank_rows))
    places = np.searchsorted(bank_rows, asked)
    k = min(NEAREST + 1, bank)
    cosines, found = neighbours(vectors[torch.from_numpy(places)], vectors, k, unit=True)
    others = found.numpy() != places[:, None]  # itself, which equal rows may have pushed out
    others[others.all(axis=1), -1] = False
    mean = np.where(others, cosines.numpy(), 0).sum(axis=1) / max(1, k - 1)
    farthest = np.lexsort((asked, mean))
    return Outliers(asked[farthest], mean[farthest].astype(np.float32), bank)
