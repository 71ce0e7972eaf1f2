"""(dense for now)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from kontrast.similarity import distance

Tags: TypeAlias = Sequence[tuple[Tensor, Tensor]]
Columns: TypeAlias = Literal["none", "own", "mirror"]


class Limits(NamedTuple):
    """A second product per tile: keys with guide_query . guide_key > limit of the query are left out."""

    query_QG: Tensor
    key_KG: Tensor
    limit_Q: Tensor


def log_sum_exp(
    query_QE: Tensor,
    key_KE: Tensor,
    tags: Tags = (),
    *,
    columns: Columns = "none",
    euclidean: bool = False,
    powers: tuple[float, ...] = (1.0,),
    limits: Limits | None = None,
) -> Tensor:
    """Log-sum-exp of the logits over the keys that share no tag with the query: (P, Q), or (P, Q + K) if columns."""
    logit_QK = -distance((query_QE[:, None] - key_KE[None]).square().sum(-1)) if euclidean else query_QE @ key_KE.T
    for query_tag_Q, key_tag_K in tags:
        logit_QK = logit_QK.masked_fill(query_tag_Q[:, None] == key_tag_K[None], -torch.inf)
    if limits is not None:
        logit_QK = logit_QK.masked_fill(limits.query_QG @ limits.key_KG.T > limits.limit_Q[:, None], -torch.inf)
    row_PQ = torch.stack([(p * logit_QK).logsumexp(1) for p in powers])
    if columns != "own":
        return row_PQ
    return torch.cat([row_PQ, torch.stack([(p * logit_QK).logsumexp(0) for p in powers])], dim=1)


def negatives_left(tags: Tags, queries: int, keys: int, limits: Limits | None = None) -> Tensor:
    """How many keys each query keeps, (Q,)."""
    device = tags[0][0].device if tags else None
    out_QK = torch.zeros(queries, keys, dtype=torch.bool, device=device)
    for query_tag_Q, key_tag_K in tags:
        out_QK |= query_tag_Q[:, None] == key_tag_K[None]
    if limits is not None:
        out_QK |= limits.query_QG @ limits.key_KG.T > limits.limit_Q[:, None]
    return (~out_QK).sum(1)
