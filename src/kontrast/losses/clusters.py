"""Predict one view's cluster code from another view: the loss of SwAV, and the codes.

Shapes: V views, B samples, K prototypes, A views that give codes, R rows that are ours, N rows and queue.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kontrast.losses.engine.arguments import Reduction, floats, matrices, ours, reduced, scale_of
from kontrast.similarity import wide


def swapped_prediction(
    scores_VBK: Tensor,
    codes_ABK: Tensor,
    *,
    temperature: Tensor | float,
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross-entropy of each view's prototype scores against the codes of each other view.

        loss_b = mean over a < A, v != a of  -sum_k q_abk ln softmax_k(s_vbk / T)             mean over B rows

    The first A views are those that gave the codes (SwAV: the 2 full crops of 8). Guessing costs ln K, and so does
    collapse: a loss that stays at ln K has not begun to learn.

    Args:
        scores_VBK: (V, B, K) cosines with the prototypes.
        codes_ABK: (A, B, K), rows sum to 1, no gradient (`sinkhorn`).
        rows: the samples that are ours; the loss is then their share. reduction: "none" gives (rows,).

    Source: Caron et al. 2020, arXiv:2006.09882.
    """
    floats("scores", scores_VBK, "(V, B, K)")
    floats("codes", codes_ABK, "(A, B, K)")
    if scores_VBK.shape[1:] != codes_ABK.shape[1:]:
        raise ValueError(
            f"scores (V, B, K) and codes (A, B, K) must agree in B and K, "
            f"got {tuple(scores_VBK.shape)} and {tuple(codes_ABK.shape)}"
        )
    V, A, B = len(scores_VBK), len(codes_ABK), scores_VBK.shape[1]
    if V < 2 or not 1 <= A <= V:
        raise ValueError(f"a view's code is predicted from another view: need 1 <= A <= V and V >= 2, got A={A}, V={V}")
    mine, _, _ = ours(rows, B)
    codes_ARK = wide(codes_ABK[:, mine])
    log_share_VRK = torch.log_softmax(wide(scores_VBK[:, mine]) * scale_of(temperature), dim=-1)
    all_pairs_R = (codes_ARK.sum(0) * log_share_VRK.sum(0)).sum(-1)
    own_pairs_R = (codes_ARK * log_share_VRK[:A]).sum((0, 2))
    return reduced((own_pairs_R - all_pairs_R) / (A * (V - 1)), B, reduction)


@torch.no_grad()
def sinkhorn(
    scores_BK: Tensor, *, epsilon: float = 0.05, iterations: int = 3, queue_scores_NK: Tensor | None = None
) -> Tensor:
    """Codes that use all prototypes equally: the plan of optimal transport nearest to softmax(scores / epsilon).

        q = diag(u) exp(s / epsilon) diag(v),   columns sum to rows / K (in the limit), each row sums to 1 (exactly)

    Computed as logarithms in float32 or wider: a cosine of 1 with epsilon 0.05 would overflow half precision.

    Args:
        scores_BK: (B, K) cosines with the prototypes, of all processes' rows (the joined batch).
        epsilon: > 0, smaller is closer to a hard assignment. iterations: >= 1, SwAV uses 3.
        queue_scores_NK: scores of rows kept from before, with today's prototypes; they share in the balance, and only
            the B new rows' codes are returned.
    """
    matrices(scores=scores_BK)
    if not 0 < epsilon < math.inf or iterations < 1:
        raise ValueError(f"sinkhorn needs epsilon > 0 and iterations >= 1, got {epsilon} and {iterations}")
    if queue_scores_NK is not None:
        matrices(scores=scores_BK, queue_scores=queue_scores_NK, least=0)
    scores_NK = scores_BK if queue_scores_NK is None else torch.cat([queue_scores_NK, scores_BK])
    log_NK = wide(scores_NK) / epsilon
    for _ in range(iterations):
        log_NK = log_NK - log_NK.logsumexp(0, keepdim=True)
        log_NK = log_NK - log_NK.logsumexp(1, keepdim=True)
    return log_NK[-len(scores_BK) :].exp()
