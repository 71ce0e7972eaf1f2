"""Does each item find its partner? Recall among many, from exact ranks.

Shapes: Q queries, K items of the bank, D width, P positives of a query.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast.evaluate.knn import Vectors

BLOCK_BYTES = 1 << 25


def ranks(query_QD: Vectors, bank_KD: Vectors, group_Q: Vectors, group_K: Vectors) -> Tensor:
    """The place, from 1, of each query's best item of its own group in the bank sorted by cosine; (Q,) int64.

    An item of another group that is *as good* goes first: an encoder whose outputs are all equal finds nothing, instead
    of everything. Several own items (five captions of a picture) count as found with the best of them; the others do
    not push it back. Exact, blocked, fp32. Raises ValueError for a query without any own item.
    """
    query_QD, bank_KD = (normalize(torch.as_tensor(side).float(), dim=1) for side in (query_QD, bank_KD))
    group_Q, group_K = (torch.as_tensor(side).to(query_QD.device) for side in (group_Q, group_K))
    placed = []
    rows = max(1, BLOCK_BYTES // (4 * len(bank_KD)))
    for part_QD, part_Q in zip(query_QD.split(rows), group_Q.split(rows)):
        score_QK = part_QD @ bank_KD.T
        own_QK = part_Q[:, None] == group_K[None, :]
        if not own_QK.any(dim=1).all():
            raise ValueError("group: every query needs at least one item of its own group in the bank.")
        best_Q = score_QK.masked_fill(~own_QK, -torch.inf).amax(dim=1)
        placed.append(((score_QK >= best_Q[:, None]) & ~own_QK).sum(dim=1) + 1)
    return torch.cat(placed) if placed else torch.empty(0, dtype=torch.int64)


def recall_at(rank_Q: Tensor, k: int) -> float:
    """Share of queries whose partner is among the first k. Chance is about k P / K."""
    return (rank_Q <= k).double().mean().item()


def retrieval(
    query_QD: Vectors, bank_KD: Vectors, group_Q: Vectors, group_K: Vectors, *, at: tuple[int, ...] = (1, 5, 10)
) -> dict[str, float]:
    """`recall_at_1`, `recall_at_5`, `recall_at_10` (fractions) and `median_rank` (from 1) in one direction."""
    rank_Q = ranks(query_QD, bank_KD, group_Q, group_K)
    found = {f"recall_at_{k}": recall_at(rank_Q, k) for k in at}
    return found | {"median_rank": rank_Q.double().quantile(0.5).item()}


DIRECTIONS = ("image_to_text", "text_to_image")


def pair_retrieval(image_ND: Vectors, text_MD: Vectors, picture_M: Vectors) -> dict[str, float]:
    """`recall_at_1`, `recall_at_5`, `recall_at_10`, `median_rank`: the mean of both directions; and each one alone.

    picture_M  the row in `image_ND` that each caption belongs to
    A picture has found its captions with the best of them; a caption has one picture. Each direction alone is named
    `image_to_text_recall_at_1` and so on. Chance of recall at k: about k / N for captions, and for pictures with P
    captions each about P k / M, which is the same.
    """
    place_N = torch.arange(len(image_ND))
    both = (
        retrieval(image_ND, text_MD, place_N, picture_M),
        retrieval(text_MD, image_ND, picture_M, place_N),
    )
    mean = {name: (both[0][name] + both[1][name]) / 2 for name in both[0]}
    return mean | {f"{way}_{name}": value for way, found in zip(DIRECTIONS, both) for name, value in found.items()}
