"""How surprised each row is by its own positive, among the candidates: what SimCLR, MoCo and SimCSE ask.

    loss_q = -s_qp / T + ln sum over candidates k of exp(s_qk / T)      p: the positive; candidates: p and the negatives

with s a similarity (`kontrast.similarity`) and T the temperature; in nats. *Decoupled* leaves p out of the candidates.
The two are one step apart, loss = softplus(decoupled loss), and so it is computed: a loss never falls below 0. The sum
over negatives comes from the tiled engine (`losses.engine`): exact, with no stored Q x K matrix.

Who is not a negative is said by integers: same id, same group. A row left with no negative counts 0 and has no
gradient; among more than two views its positives are still candidates, which costs ln(V - 1) at equal similarities.
Rows that are not finite make the loss NaN; arguments that mean nothing are a ValueError that names them.
Several processes: pass the joined batch and `rows`, the slice that is ours; the result is our share, and shares add up.
Precision: float64 stays float64; all else is computed in float32, where a loss is right to about 8 eps max|s| / T
(squared_euclidean: eps max(|q|^2 + |k|^2) / T, so rows far from the origin are better centred first).

Here NT-Xent, SimCLR's: views among each other. In one direction, from queries to keys: `losses.info_nce`.

Options beside those that each loss explains (`info_nce` and `clip` have them too):
    temperature      > 0; a tensor gets its gradient
    decoupled        leave the positive out of the sum (Yeh et al. 2022, arXiv:2110.06848)
    tau_plus, beta   debiased and reweighted negatives (`engine.candidates`); `diagnostics` then receives "clamp_rate"
    rows             the rows that are ours
    reduction        "mean" over all rows, or "none"

Shapes: V views, B samples, D width, E prepared width, Q queries, K keys, N more negatives, M negatives of one row,
R rows that are ours, P positives of a row, G width of a guide model.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kontrast.losses.engine import small_batch
from kontrast.losses.engine.arguments import Reduction, arange, formerly, integers, ours, reduced
from kontrast.losses.engine.candidates import Against, Guide
from kontrast.losses.engine.tiles import Stripes, Tags
from kontrast.similarity import Similarity, logit


def softened(decoupled_R: Tensor, decoupled: bool) -> Tensor:
    """The loss of each row from its decoupled loss, -inf where no negative is left."""
    if decoupled:
        return decoupled_R.masked_fill(decoupled_R.isneginf(), 0.0)
    return F.softplus(decoupled_R, threshold=50.0)


def surprise(positive_PR: Tensor, negative_R: Tensor, decoupled: bool = False) -> Tensor:
    """The loss of each row from its positive logits and its log-sum over negatives.

    Several positives: all are candidates of the row, and the mean over them is outside the logarithm (SupCon's form).
    """
    if decoupled or len(positive_PR) == 1:
        return softened(negative_R - positive_PR.mean(0), decoupled)
    return torch.logaddexp(positive_PR.logsumexp(0), negative_R) - positive_PR.mean(0)


@formerly("signs", "diagnostics")
def nt_xent(
    views_VBD: Tensor,
    *,
    temperature: Tensor | float,
    similarity: Similarity = "cosine",
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    groups_B: Tensor | None = None,
    negatives_KD: Tensor | None = None,
    negative_ids_K: Tensor | None = None,
    own_negatives: Tensor | None = None,
    guide: Guide | None = None,
    tau_plus: float = 0.0,
    beta: float = 0.0,
    diagnostics: dict[str, Tensor] | None = None,
    rows: slice | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """SimCLR: each view must find the other view of its sample among the views of all samples.

        loss_i = -s_ip / T + ln sum_{j != i} exp(s_ij / T)                mean over all V B rows

    The candidates of a row are all other rows. Guessing costs ln(2B - 1) with two views, ln(2B - 2) decoupled. With
    more views a row has V - 1 positives: all are candidates and the loss is the mean over them.

    Args:
        views_VBD: (V, B, D) float, V >= 2, B >= 2; row b of every view is the same sample.
        ids_B, groups_B: integers; samples with equal ids, or equal groups, are not each other's negatives.
        negatives_KD: more negatives, for all rows (a queue, random draws).
        negative_ids_K: their ids; a row's own id among them is left out.
        own_negatives: more negatives, each row its own, (V, B, M, D) (mined, mixed).
        guide: `Guide(BG, BG, margin)`, one guide embedding per sample.
        reduction: "none" gives (V, rows).

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
    Their code adds the two views' means: twice this value.
    """
    shape = views_VBD.shape
    if len(shape) != 3 or min(shape[:2]) < 2 or not shape[2] or not views_VBD.is_floating_point():
        raise ValueError(f"views must be float (V, B, D), V and B >= 2, got {views_VBD.dtype} {tuple(views_VBD.shape)}")
    V, B, _ = views_VBD.shape
    ids_B, groups_B = integers(B, ids_B=ids_B, groups_B=groups_B)
    against = Against.of(temperature, similarity, tau_plus=tau_plus, beta=beta, diagnostics=diagnostics, balanced=True)
    mine, R, all_ours = ours(rows, B)
    given = negative_ids_K is not None if negatives_KD is None else bool(len(negatives_KD))
    more = given or own_negatives is not None or guide is not None
    if guide is not None:
        guide.fits(B, B)
    if all_ours and V == 2 and not more and against.plain and small_batch.fits(2 * B, against.largest):
        tags: Tags = [Stripes(B)] if ids_B is None else [(ids_B.repeat(2),) * 2]
        tags = tags if groups_B is None else [*tags, (groups_B.repeat(2),) * 2]
        loss_R = softened(small_batch.both_views(views_VBD.flatten(0, 1), against.scale, tags), decoupled)
        return reduced(loss_R if reduction == "mean" else loss_R.view(2, B), 2 * B, reduction)
    query_VBE = against.query(views_VBD)
    key_VBE = against.key(views_VBD) if similarity == "squared_euclidean" else query_VBE
    key_RE = key_VBE.flatten(0, 1)
    query_RE = key_RE if all_ours and key_VBE is query_VBE else query_VBE[:, mine].flatten(0, 1)

    others = [key_VBE.roll(-shift, 0)[:, mine].flatten(0, 1) for shift in range(1, V)]
    positives = [logit(query_RE, other_RE, similarity) for other_RE in others]
    positive_PR = torch.stack(positives) if V > 2 else positives[0][None]

    ids_R = None if ids_B is None else ids_B[mine].repeat(V)
    ids_B = arange(views_VBD, B) if ids_B is None and not all_ours else ids_B
    names = [(name_B[mine].repeat(V), name_B.repeat(V)) for name_B in (ids_B, groups_B) if name_B is not None]
    negative_R = against.log_negatives(
        query_RE,
        key_RE,
        [Stripes(B), *names] if ids_B is None else names,
        positive_PR,
        columns="mirror" if all_ours and guide is None else "none",
        more=against.more(views_VBD, negatives_KD, negative_ids_K, own_negatives, ids_R, mine),
        limits=None if guide is None else guide.limits(guide.key_KG[mine], mine, repeat=V),
    )
    return reduced(surprise(positive_PR, negative_R, decoupled).view(V, R), V * B, reduction)
