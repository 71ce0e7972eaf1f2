"""Losses with labels: several positives per row (SupCon), and the margin loss on labelled pairs.

Shapes: N rows, R rows that are ours, P positives of a row, E prepared width, B pairs, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kontrast.losses.engine.arguments import INTEGERS, Reduction, formerly, integers, matrices, ours, positive, reduced
from kontrast.losses.engine.candidates import Against
from kontrast.losses.engine.tiles import Equal, Stripes
from kontrast.similarity import Similarity, logit, pairwise, wide


def sup_con(
    row_ND: Tensor,
    label_N: Tensor,
    *,
    temperature: Tensor | float,
    similarity: Similarity = "cosine",
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Every other row with the same label is a positive; all other rows are candidates.

        loss_i = mean over positives p of  -s_ip / T  +  ln sum_{j != i} exp(s_ij / T)

    The mean is outside the logarithm (L_out). Guessing costs ln(N - 1). A row whose label no other row has counts 0 and
    is left out of the mean. `nt_xent` is the case where labels are samples. Labels as *masks* only: its `groups_B`.

    Args:
        row_ND: float; all views of all samples, (V B, D).
        label_N: integers.
        rows: the rows that are ours. reduction: "none" gives (rows,).

    Memory is O(N D); euclidean similarity needs one vector per positive pair besides.
    Source: Khosla et al. 2020, "Supervised Contrastive Learning", NeurIPS 2020.
    """
    matrices(row=row_ND)
    N = len(row_ND)
    integers(N, label_N=label_N)
    label_N = label_N.long()
    if N < 2:
        raise ValueError(f"sup_con needs at least 2 rows, got {N}")
    mine, R, all_ours = ours(rows, N)
    against = Against.of(temperature, similarity, balanced=True)
    query_NE = against.query(row_ND)
    key_NE = against.key(row_ND) if similarity == "squared_euclidean" else query_NE
    query_RE = query_NE if all_ours else query_NE[mine]

    names, place_N, many_N = label_N.unique(return_inverse=True, return_counts=True)
    positives_R = many_N[place_N][mine] - 1
    if similarity == "euclidean":
        query, key = Equal(label_N[mine], label_N).pairs()
        logit_P = logit(query_RE[query], key_NE[key], similarity)  # a row with itself: distance 0, no gradient
        sum_R = logit_P.new_zeros(R).index_add(0, query, logit_P)
    else:  # a sum of products is a product with the sum over the class
        class_CE = key_NE.new_zeros(len(names), key_NE.shape[1]).index_add(0, place_N, key_NE)
        sum_R = (query_RE * (class_CE[place_N[mine]] - key_NE[mine])).sum(1)
    mean_R = sum_R / positives_R.clamp(min=1)

    itself = [Stripes(2 * N, mine.start)]
    all_R = against.log_negatives(query_RE, key_NE, itself, mean_R[None], columns="mirror" if all_ours else "none")
    loss_R = (all_R - mean_R).masked_fill(positives_R == 0, 0.0)
    counted = max(1, int((many_N[place_N] > 1).sum()))
    return reduced(loss_R, counted, reduction)


@formerly("signs", "diagnostics")
def margin(
    first_BD: Tensor,
    second_BD: Tensor,
    similar_B: Tensor,
    *,
    margin: float = 1.0,
    similarity: Similarity = "euclidean",
    diagnostics: dict[str, Tensor] | None = None,
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Labelled pairs: similar ones are pulled together, dissimilar ones pushed until they are `margin` apart.

        loss_b = d^2 / 2 if similar, max(0, margin - d)^2 / 2 if not                          mean over B pairs

    d is the distance, minus the euclidean similarity, or 1 - cosine. There is no softmax and no temperature. A
    dissimilar pair at distance 0 has no gradient. What guessing costs depends on the share p of similar pairs: who
    cannot tell them apart puts all at one distance, does best with (1 - p) margin, and pays p (1 - p) margin^2 / 2.

    similar_B: (B,) bool, or integers 0 and 1. diagnostics: receives `similar`, the share p, and the mean distances of
    both kinds in margins, `similar_apart` and `dissimilar_apart`. Source: Hadsell, Chopra, LeCun 2006.
    """
    matrices(first=first_BD, second=second_BD, rows_too=True)
    B = len(first_BD)
    if similar_B.shape != (B,) or similar_B.dtype not in (torch.bool, *INTEGERS):
        raise ValueError(f"similar must be ({B},) bool or 0 and 1, got {similar_B.dtype} {tuple(similar_B.shape)}")
    if similar_B.device.type == "cpu" and not bool(((similar_B == 0) | (similar_B == 1)).all()):
        raise ValueError(f"similar must be 0 or 1, got {int(similar_B.min())} to {int(similar_B.max())}")
    if similarity not in ("euclidean", "cosine"):
        raise ValueError(f"a margin is a distance: similarity must be euclidean or cosine, got {similarity!r}")
    positive(margin=margin)
    if similarity == "cosine" and margin > 2:
        raise ValueError(f"margin must be at most 2 with cosine, whose distance 1 - cosine is, got {margin}")
    mine, _, _ = ours(rows, B)
    if diagnostics is not None:
        diagnostics |= _apart(first_BD.detach(), second_BD.detach(), similar_B.bool(), margin, similarity)
    first_RD, second_RD, similar_R = first_BD[mine], second_BD[mine], similar_B[mine].bool()
    if similarity == "euclidean":
        apart_R = -pairwise(first_RD, second_RD, similarity)
        apart_R = apart_R.masked_fill(apart_R.isinf(), torch.nan)  # or rows that are not finite would cost nothing
        square_R = (wide(first_RD) - wide(second_RD)).square().sum(1)
    else:
        apart_R = 1.0 - pairwise(first_RD, second_RD, similarity)
        square_R = apart_R.square()
    return reduced(0.5 * torch.where(similar_R, square_R, (margin - apart_R).clamp(min=0).square()), B, reduction)


def _apart(
    first_BD: Tensor, second_BD: Tensor, similar_B: Tensor, margin: float, similarity: Similarity
) -> dict[str, Tensor]:
    """The share of similar pairs, and how far the pairs of each kind are apart; 0 where there are none."""
    likeness_B = pairwise(first_BD, second_BD, similarity)
    apart_B = (-likeness_B if similarity == "euclidean" else 1.0 - likeness_B) / margin
    kinds = {"similar_apart": similar_B, "dissimilar_apart": ~similar_B}
    means = {name: (apart_B * of_B).sum() / of_B.sum().clamp(min=1) for name, of_B in kinds.items()}
    return {"similar": similar_B.to(apart_B.dtype).mean(), **means}
