"""The decoupled loss with weighted positives (DCLW): positives that are far apart pull more.

Shapes: B samples, R rows that are ours, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kontrast.losses.chance import others
from kontrast.losses.contrastive import nt_xent
from kontrast.losses.engine.arguments import Reduction, ours, positive, reduced, scale_of
from kontrast.similarity import pairwise


def dclw(
    views_VBD: Tensor,
    *,
    temperature: Tensor | float,
    sigma: float = 0.5,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """`nt_xent(decoupled=True)` of two views, the pull of each positive weighted by how far apart it still is.

        loss_i = -w_b s_ip / T + ln sum over negatives j of exp(s_ij / T)                      mean over all 2B rows
        w_b    = 2 - B exp(c_b / sigma) / sum_a exp(c_a / sigma),   c_b the cosine of sample b's two views

    The weights have mean 1 and gradient, as in the authors' code (lightly stops it); that of a pair much closer than
    the others can be negative. Guessing costs ln(2B - 2). A row with no negative counts 0.

    Args:
        views_VBD: (2, B, D) float, B >= 2.
        sigma: > 0; small weights pairs more unevenly.
        ids_B, groups_B, rows, reduction: as in `nt_xent`; the weights are those of the joined batch.

    Source: Yeh et al. 2022, "Decoupled Contrastive Learning", ECCV 2022, arXiv:2110.06848, equation 6.
    """
    if len(views_VBD) != 2:
        raise ValueError(f"dclw weighs the pair of two views, got views of shape {tuple(views_VBD.shape)}")
    positive(sigma=sigma)
    loss_VR = nt_xent(
        views_VBD, temperature=temperature, decoupled=True, ids_B=ids_B, groups_B=groups_B, rows=rows, reduction="none"
    )
    B = views_VBD.shape[1]
    mine, _, _ = ours(rows, B)
    cosine_B = pairwise(views_VBD[0], views_VBD[1])
    less_B = B * torch.softmax(cosine_B / sigma, 0) - 1.0  # 1 - w
    if ids_B is not None or groups_B is not None:  # who has no negative counts 0, however far its positive
        less_B = less_B.masked_fill(others(B, ids_B, groups_B).to(less_B.device) == 0, 0.0)
    return reduced(loss_VR + (less_B * cosine_B)[mine] * scale_of(temperature), 2 * B, reduction)
