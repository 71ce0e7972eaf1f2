"""Exact search by cosine over any number of vectors, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kontrast.evaluate.knn import Vectors, neighbours


def search(vectors_ND: Vectors, query_QD: Vectors, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The k rows with the highest cosine to each query: rows (Q, k) and cosines (Q, k), best first.

    Equal cosines come by row number. Nothing is approximated and nothing of size N x Q is stored: the vectors are read
    in blocks, so a memory-mapped file (`np.load(path, mmap_mode="r")`) larger than memory will do. Raises ValueError
    for a k outside 1..N, for widths that differ and for vectors that are not finite.
    """
    score_Qk, row_Qk = neighbours(query_QD, vectors_ND, k)
    return row_Qk.cpu().numpy(), score_Qk.cpu().numpy()
