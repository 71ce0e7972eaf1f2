"""Exact nearest neighbours by cosine, and the classifier that lets them vote.

The neighbours are found by blocked products: memory is O(block), the bank may be a memory-mapped array, and the answer
is exact. Equal scores are ordered by row number, so the same vectors always give the same answer.

Source: the weighted vote of InstDisc (Wu et al. 2018, arXiv 1805.01978), as in MoCo's and lightly's CIFAR tables.

Shapes: Q queries, K rows of the bank, D vector width, k neighbours, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast import progress
from kontrast.evaluate.labelled import Draw, Labelled, largest_class
from kontrast.evaluate.protocol import Measure, Metric

Vectors: TypeAlias = "Tensor | npt.NDArray[Any]"

BANK_BLOCK = 1 << 16  # rows of the bank held in fp32 at a time
SCORE_BYTES = 1 << 25  # of one block of similarities
TEMPERATURE = 0.1  # of the vote
CHUNK = 32  # neighbouring columns that are looked at through their maximum first


def neighbours_to_ask(bank_size: int) -> int:
    """k = min(200, bank / 5), at least 1: 200 is the published value, the rest keeps small banks meaningful."""
    return max(1, min(200, bank_size // 5))


def neighbours(
    query_QD: Vectors, bank_KD: Vectors, k: int, *, unit: bool = False, block: int = 0
) -> tuple[Tensor, Tensor]:
    """The k rows of the bank with the highest cosine to each query: scores (Q, k) fp32 and rows (Q, k) int64.

    Best first; equal scores by row number, ascending. Rows need not have unit length; `unit` says that those of the
    bank have it, and are finite: they are read once and not divided. fp32 products on the query's device; a bank that
    is no tensor (NumPy's, also memory-mapped, also fp16) is read by slices of `block` rows (0: 65,536).
    Raises ValueError for a k outside 1..K, for widths that differ and for vectors that are not finite.
    """
    query_QD = torch.as_tensor(query_QD)
    size = len(bank_KD)
    if not 1 <= k <= size:
        raise ValueError(f"k must lie between 1 and the {size} rows of the bank; got {k}.")
    if query_QD.ndim != 2 or bank_KD.ndim != 2 or query_QD.shape[1] != bank_KD.shape[1]:
        raise ValueError(
            f"query and bank must be (Q, D) and (K, D) of one width D; got {tuple(query_QD.shape)} "
            f"and {tuple(bank_KD.shape)}."
        )
    query_QD, block = _unit(query_QD, "query"), block or BANK_BLOCK
    best_Qk = torch.empty(len(query_QD), 0, dtype=torch.int64, device=query_QD.device)
    for first in progress.passing(range(0, size, block), "searching", each=block, total=size):
        some = bank_KD[first : first + block]
        if isinstance(some, np.ndarray):
            some = torch.from_numpy(np.array(some))  # a copy: memory-mapped files are read-only
        block_KD = some.to(query_QD.device).float() if unit else _unit(some.to(query_QD.device), "bank")
        best_Qk = torch.cat([best_Qk, _best_keys(query_QD, block_KD, first, min(k, len(block_KD)))], dim=1)
        best_Qk = best_Qk.topk(min(k, best_Qk.shape[1]), dim=1).values
    return _unpacked(best_Qk)


def knn_scores(
    query_QD: Vectors,
    bank_KD: Vectors,
    label_K: Vectors,
    *,
    classes: int,
    k: int | None = None,
    temperature: float = TEMPERATURE,
) -> Tensor:
    """Class scores (Q, C) float64, rows summing to 1: the k nearest rows vote for their class with weight e^(cos/T).

    Chance is 1/C for balanced classes. `k=None` means min(200, K/5). Without a learning rate or any other knob, it is
    the usual first look at a representation; `linear` asks what a trained classifier could read from it.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0; got {temperature}.")
    label_K = torch.as_tensor(label_K).cpu().long()
    if len(label_K) != len(bank_KD):
        raise ValueError(f"label must have one entry per row of the bank ({len(bank_KD)}); got {len(label_K)}.")
    score_Qk, row_Qk = neighbours(query_QD, bank_KD, neighbours_to_ask(len(bank_KD)) if k is None else k)
    weight_Qk = torch.softmax(score_Qk.cpu().double() / temperature, dim=1)
    vote_QC = torch.zeros(len(score_Qk), classes, dtype=torch.float64)  # on the CPU: summed in a fixed order
    return vote_QC.scatter_add_(1, label_K[row_Qk.cpu()], weight_Qk)


def knn_predict(
    query_QD: Vectors,
    bank_KD: Vectors,
    label_K: Vectors,
    *,
    classes: int,
    k: int | None = None,
    temperature: float = TEMPERATURE,
) -> Tensor:
    """The class with the most votes, (Q,) int64; see `knn_scores`."""
    return knn_scores(query_QD, bank_KD, label_K, classes=classes, k=k, temperature=temperature).argmax(dim=1)


def _unit(vector_ND: Tensor, name: str) -> Tensor:
    vector_ND = vector_ND.float()
    if not torch.isfinite(vector_ND).all():
        raise ValueError(f"{name} holds numbers that are not finite; a model that gives them cannot be searched.")
    return normalize(vector_ND, dim=1, eps=1e-12)


def _best_keys(query_QD: Tensor, block_KD: Tensor, first: int, k: int) -> Tensor:
    """The packed scores (Q, k) of the best rows of one block of the bank, whose rows count from `first`."""
    width = -(-len(block_KD) // CHUNK) * CHUNK
    rows = max(1, SCORE_BYTES // (4 * width))
    score_QK = block_KD.new_full((min(rows, len(query_QD)), width), -torch.inf)
    key_Qk = torch.empty(len(query_QD), k, dtype=torch.int64, device=query_QD.device)
    for start in range(0, len(query_QD), rows):
        part_QD = query_QD[start : start + rows]
        torch.mm(part_QD, block_KD.T, out=score_QK[: len(part_QD), : len(block_KD)])
        key_Qk[start : start + rows] = _best_of(score_QK[: len(part_QD)], first, k)
    return key_Qk


def _best_of(score_QK: Tensor, first: int, k: int) -> Tensor:
    """The k highest scores of each row, packed; the columns are whole chunks, the last one filled up with -inf.

    The best k + 1 lie in the k + 1 chunks with the highest maxima, since each better chunk holds a better entry: only
    those are sorted. If place k + 1 is as good as place k, which of the two belongs is decided among all, packed.
    """
    score_QcC = score_QK.unflatten(1, (-1, CHUNK))
    rows, chunks, _ = score_QcC.shape
    if chunks > k + 1:
        chunk_Qc = score_QcC.amax(dim=2).topk(k + 1, dim=1, sorted=False).indices
        place_Qc = chunk_Qc + chunks * torch.arange(rows, device=score_QK.device)[:, None]
        some_QK = score_QcC.flatten(0, 1).index_select(0, place_Qc.flatten()).view(rows, -1)
        value_Qt, place_Qt = some_QK.topk(k + 1, dim=1)
        column_Qt = chunk_Qc.gather(1, place_Qt // CHUNK) * CHUNK + place_Qt % CHUNK
    else:
        value_Qt, column_Qt = score_QK.topk(min(k + 1, score_QK.shape[1]), dim=1)
    key_Qk = _packed(value_Qt, first + column_Qt)[:, :k]
    tied_Q = value_Qt[:, k - 1] == value_Qt[:, min(k, value_Qt.shape[1] - 1)]
    if value_Qt.shape[1] > k and tied_Q.any():
        column_K = torch.arange(score_QK.shape[1], device=score_QK.device)
        key_Qk[tied_Q] = _packed(score_QK[tied_Q], first + column_K).topk(k, dim=1).values
    return key_Qk


# A score and its row in one integer that sorts by score, then by lower row: the float's bits, made monotonic, above the
# inverted row number. Keys are unique, so every top-k of them is unique too.
LAST_ROW = (1 << 31) - 1


def _packed(score: Tensor, row: Tensor) -> Tensor:
    bits = (score + 0.0).view(torch.int32)  # + 0.0 makes minus zero zero
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (ordered.long() << 32) | (LAST_ROW - row)


def _unpacked(key: Tensor) -> tuple[Tensor, Tensor]:
    ordered = (key >> 32).int()
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    return bits.view(torch.float32), LAST_ROW - (key & 0xFFFFFFFF)


def search(vectors_ND: Vectors, query_QD: Vectors, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The k rows with the highest cosine to each query: rows (Q, k) and cosines (Q, k), best first.

    Equal cosines come by row number. Nothing is approximated and nothing of size N x Q is stored: the vectors are read
    in blocks, so a memory-mapped file (`np.load(path, mmap_mode="r")`) larger than memory will do. Raises ValueError
    for a k outside 1..N, for widths that differ and for vectors that are not finite.
    """
    score_Qk, row_Qk = neighbours(query_QD, vectors_ND, k)
    return row_Qk.cpu().numpy(), score_Qk.cpu().numpy()


def _vote(draw: Draw) -> Iterator[Measure]:
    classes = int(max(draw.label_K.max(), draw.answer_M.max())) + 1
    guess_M = knn_predict(draw.test_MH, draw.bank_KH, draw.label_K, classes=classes)
    yield Measure("knn_top1", (guess_M == draw.answer_M).double().mean().item())


KNN = Labelled(
    "knn",
    (
        Metric(
            "knn_top1",
            "nearest neighbours (kNN)",
            "The 200 (or fewer) most similar labelled items vote; how often are they right?",
            told="the nearest neighbours name the right class of {value}",
            decisive=True,
        ),
    ),
    _vote,
    largest_class,
    told="kNN: k {k}, T {temperature}",
    fixed={"temperature": TEMPERATURE},
    counted=lambda bank_items: {"k": neighbours_to_ask(bank_items)},
)
