"""Hard negatives: the keys most similar to a row, found (mined) or made from those (mixed).

Which keys are hard is found without gradient, block by block, so that no Q x K matrix is stored. Keys that bear the
row's own name are never chosen.

Shapes: Q queries, K keys of a bank, N hard ones of each row, M made for each row, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.negatives import Negatives, false_negatives
from kontrast.negatives.source import Keys, Rows, Source, joined
from kontrast.similarity import Similarity, table, unit

BLOCK = 1 << 24  # similarities held at a time
DRAWS = ("mixed: share", "mixed: one", "mixed: other")


class Hard(Source):
    """`mined:N`, `mixed:M`: each row's N hardest keys, and M points made between them (without `mined`, between M)."""

    def __init__(self, found: int, made: int, similarity: Similarity) -> None:
        super().__init__()
        if made and similarity != "cosine":
            raise ValueError(f"mixed negatives are points on a sphere: similarity must be cosine, not {similarity}")
        self.found, self.made, self.chooses = found, made, bool(found)
        self.similarity: Similarity = similarity

    def own(self, rows: Rows, bank: Sequence[Keys]) -> Tensor:
        row_RD, (bank_KD, name_K) = rows.query.flatten(0, -2), joined(bank)
        name_R = rows.name_B.repeat(len(row_RD) // len(rows.name_B))
        left = len(bank_KD) - int(false_negatives.count(rows.name_B, name_K).max())
        top = min(self.found or self.made, left)
        if top < 1:  # all keys bear the name of one of the rows
            return rows.query.new_empty(*rows.query.shape[:-1], 0, rows.query.shape[-1])
        places_RN, _ = mined(row_RD, bank_KD, top, similarity=self.similarity, name_Q=name_R, name_K=name_K)
        hard_RND = bank_KD[places_RN]
        parts = [hard_RND] if self.found else []
        if self.made:
            parts.append(mixed(row_RD, hard_RND, self.made, *rows.key, np.arange(len(row_RD))[:, None]))
        own: Tensor = torch.cat(parts, dim=1).unflatten(0, rows.query.shape[:-1])
        return own


def source(requested: Negatives, width: int, similarity: Similarity, seed: int) -> Hard | None:
    """The hard ones that were asked for."""
    asked = requested.mined or requested.mixed
    return Hard(requested.mined, requested.mixed, similarity) if asked else None


@torch.no_grad()
def mined(
    query_QD: Tensor,
    bank_KD: Tensor,
    top: int,
    *,
    similarity: Similarity = "cosine",
    name_Q: Tensor | None = None,
    name_K: Tensor | None = None,
    positive_Q: Tensor | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    skip: int = 0,
) -> tuple[Tensor, Tensor]:
    """The `top` keys most similar to each query: their places, int64 (Q, N = top), and whether each is allowed, bool.

    Left out, in this order: keys with the query's name; keys more similar than `positive_Q - absolute_margin` or
    `positive_Q (1 - relative_margin)`, which may be unlabelled positives; then the `skip` most similar of the rest.
    A row with too few keys left has places that are not allowed, at its end.

    positive_Q: similarity of each query with its own positive; needed by the margins.
    The rules are those of `mine_hard_negatives` of sentence-transformers (skip is its range_min).
    """
    if top < 1 or top + skip > len(bank_KD):
        raise ValueError(f"top + skip must be between 1 and the {len(bank_KD)} keys of the bank, got {top} + {skip}")
    if positive_Q is None and not (absolute_margin is None and relative_margin is None):
        raise ValueError("a margin is measured from the positive: give positive_Q, each query's similarity with it")
    rows = max(1, BLOCK // len(bank_KD))
    chosen = []
    for start in range(0, len(query_QD), rows):
        mine = slice(start, start + rows)
        score_QK = table(query_QD[mine], bank_KD, similarity)
        if name_Q is not None and name_K is not None:
            score_QK = score_QK.masked_fill(name_Q[mine, None] == name_K, -torch.inf)
        if positive_Q is not None:
            limit_Q1 = positive_Q[mine, None]
            if absolute_margin is not None:
                score_QK = score_QK.masked_fill(score_QK > limit_Q1 - absolute_margin, -torch.inf)
            if relative_margin is not None:
                score_QK = score_QK.masked_fill(score_QK > limit_Q1 * (1 - relative_margin), -torch.inf)
        chosen.append(score_QK.topk(top + skip, dim=1))
    places_QN = torch.cat([found.indices for found in chosen])[:, skip:]
    return places_QN, torch.cat([found.values for found in chosen])[:, skip:] > -torch.inf


@torch.no_grad()
def mixed(query_QD: Tensor, hard_QND: Tensor, count: int, *key: keyed.Key) -> Tensor:
    """`count` new points for each row from its hard keys, (Q, count, D), unit length, without gradient (MoCHi).

        a n_i + (1 - a) n_j,  a ~ U(0, 1)        the first half: between two hard keys
        b q   + (1 - b) n_j,  b ~ U(0, 1/2)      the second half: from a hard key towards the query, harder still

    The draws are named by `key`, which must tell the rows apart (one part of it of shape (Q, 1)).
    Source: Kalantidis et al. 2020, arXiv:2010.01028. Made for cosine similarity.
    """
    query_QD, hard_QND = unit(query_QD), unit(hard_QND)
    N, D = hard_QND.shape[1:]
    place_M = np.arange(count)
    share, first, second = (torch.from_numpy(keyed.uniform(what, *key, place_M)).to(hard_QND) for what in DRAWS)
    one_QMD, other_QMD = (
        hard_QND.gather(1, (of * N).long().clamp(max=N - 1)[:, :, None].expand(-1, -1, D)) for of in (first, second)
    )
    to_query_M1 = torch.arange(count, device=hard_QND.device)[:, None] >= (count + 1) // 2
    share_QM1 = torch.where(to_query_M1, share[:, :, None] / 2, share[:, :, None])
    return unit(torch.lerp(other_QMD, torch.where(to_query_M1, query_QD[:, None], one_QMD), share_QM1))
