"""How surprised each row is by its own positive, among the candidates: the losses of SimCLR, MoCo and SimCSE.

    loss_q = -s_qp / T + ln sum over candidates k of exp(s_qk / T)      p: the positive; candidates: p and the negatives

with s a similarity (`kontrast.similarity`) and T the temperature; in nats. *Decoupled* leaves p out of the candidates.
The two are one step apart, loss = softplus(decoupled loss), and so it is computed: a loss never falls below 0. The sum
over negatives comes from the tiled engine (`losses.blocks`): exact, with no stored Q x K matrix.

Who is not a negative is said by integers: same id, same group. A row left with no negative counts 0 and has no
gradient; among more than two views its positives are still candidates, which costs ln(V - 1) at equal similarities.
Rows that are not finite make the loss NaN; arguments that mean nothing are a ValueError that names them.
Several processes: pass the joined batch and `rows`, the slice that is ours; the result is our share, and shares add up.
Precision: float64 stays float64; all else is computed in float32, where a loss is right to about 8 eps max|s| / T
(squared_euclidean: eps max(|q|^2 + |k|^2) / T, so rows far from the origin are better centred first).

Options beside those that each loss explains (`clip` has them too):
    temperature      > 0; a tensor gets its gradient
    decoupled        leave the positive out of the sum (Yeh et al. 2022, arXiv:2110.06848)
    tau_plus, beta   debiased and reweighted negatives (`losses.candidates`); `diagnostics` then receives "clamp_rate"
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
from kontrast.losses.engine.arguments import Reduction, arange, formerly, integers, matrices, ours, places, reduced
from kontrast.losses.engine.candidates import Against, Guide
from kontrast.losses.engine.tiles import Stripes, Tag, Tags
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
    if (
        views_VBD.ndim != 3
        or min(views_VBD.shape) < 1
        or min(views_VBD.shape[:2]) < 2
        or not views_VBD.is_floating_point()
    ):
        raise ValueError(f"views must be float (V, B, D), V and B >= 2, got {views_VBD.dtype} {tuple(views_VBD.shape)}")
    V, B, _ = views_VBD.shape
    ids_B, groups_B = integers(B, ids_B=ids_B, groups_B=groups_B)
    against = Against.of(temperature, similarity, tau_plus=tau_plus, beta=beta, diagnostics=diagnostics, balanced=True)
    mine, R, all_ours = ours(rows, B)
    ids_R = None if ids_B is None else ids_B[mine].repeat(V)
    more = against.more(views_VBD, negatives_KD, negative_ids_K, own_negatives, ids_R, mine)
    if guide is not None:
        guide.fits(B, B)
    if (
        all_ours
        and V == 2
        and not more
        and guide is None
        and against.plain
        and small_batch.fits(2 * B, against.largest)
    ):
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

    ids_B = arange(views_VBD, B) if ids_B is None and not all_ours else ids_B
    names = [(name_B[mine].repeat(V), name_B.repeat(V)) for name_B in (ids_B, groups_B) if name_B is not None]
    negative_R = against.log_negatives(
        query_RE,
        key_RE,
        [Stripes(B), *names] if ids_B is None else names,
        positive_PR,
        columns="mirror" if all_ours and guide is None else "none",
        more=more,
        limits=None if guide is None else guide.limits(guide.key_KG[mine], mine, repeat=V),
    )
    return reduced(surprise(positive_PR, negative_R, decoupled).view(V, R), V * B, reduction)


@formerly("signs", "diagnostics")
def info_nce(
    query_QD: Tensor,
    key_KD: Tensor,
    positive_Q: Tensor | None = None,
    *,
    temperature: Tensor | float,
    similarity: Similarity = "cosine",
    decoupled: bool = False,
    positive_QD: Tensor | None = None,
    query_ids_Q: Tensor | None = None,
    key_ids_K: Tensor | None = None,
    query_groups_Q: Tensor | None = None,
    key_groups_K: Tensor | None = None,
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
    """One direction: each query must find its positive among the keys. Guessing costs ln K.

        loss_q = -s_qp / T + ln sum_k exp(s_qk / T)                       mean over all Q queries

    SimCSE: the keys are the batch's other pass. MoCo: `positive_QD` and a queue as keys, K + 1 candidates. Both
    directions at once: `clip`. Keys without gradient cost nothing extra.

    Args:
        query_QD, key_KD: float.
        positive_Q: column of each query's positive in key_KD. Default: query q belongs to key q.
        positive_QD: instead, the positives as vectors of their own; then no key is a positive.
        query_ids_Q, key_ids_K: integers; keys with the query's id are not its negatives.
        query_groups_Q, key_groups_K: the same for groups.
        negatives_KD: more negatives for all queries, (N, D), or for each query its own, (Q, M, D).
        own_negatives: each query its own, (Q, M, D), when negatives_KD are shared.
        negative_ids_K: ids of the shared ones.
        guide: `Guide(QG, KG, margin)`, queries and keys embedded by another model; needs positives among the keys.
        reduction: "none" gives (rows,).

    Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", arXiv:1807.03748.
    """
    matrices(query=query_QD)
    matrices(query=query_QD, key=key_KD, least=0)
    Q, K = len(query_QD), len(key_KD)
    positive_Q, query_ids_Q, query_groups_Q = integers(
        Q, positive_Q=positive_Q, query_ids_Q=query_ids_Q, query_groups_Q=query_groups_Q
    )
    key_ids_K, key_groups_K = integers(K, key_ids_K=key_ids_K, key_groups_K=key_groups_K)
    if negatives_KD is not None and negatives_KD.ndim == 3:
        if own_negatives is not None or negative_ids_K is not None:
            raise ValueError(
                "negatives_KD (Q, M, D) are each query's own: own_negatives and negative_ids_K go with (N, D)"
            )
        negatives_KD, own_negatives = None, negatives_KD
    against = Against.of(temperature, similarity, tau_plus=tau_plus, beta=beta, diagnostics=diagnostics)
    mine, _, _ = ours(rows, Q)
    ids_R = None if query_ids_Q is None else query_ids_Q[mine]
    more = against.more(query_QD, negatives_KD, negative_ids_K, own_negatives, ids_R, mine)
    tags = _named(mine, (query_ids_Q, key_ids_K), (query_groups_Q, key_groups_K), negative_ids_K is not None)
    query_RE, key_KE = against.query(query_QD[mine]), against.key(key_KD)
    limits = None
    if positive_QD is None:
        if positive_Q is None and Q > K:
            raise ValueError(f"each query needs a positive: {Q} queries, {K} keys, and no positive_Q or positive_QD")
        positive_R = arange(query_QD, Q)[mine] if positive_Q is None else places(positive_Q, K)[mine]
        tags.append((positive_R, arange(key_KD, K)) if positive_Q is not None else Stripes(Q + K, mine.start))
        own_RE = key_KE[positive_R]
        if guide is not None:
            guide.fits(Q, K)
            limits = guide.limits(guide.key_KG[positive_R], mine)
    else:
        if positive_Q is not None or guide is not None:
            what = "positive_Q" if positive_Q is not None else "guide"
            raise ValueError(f"{what} is about positives among the keys; positive_QD gives others: leave one out")
        matrices(query=query_QD, positive_QD=positive_QD, rows_too=True)
        own_RE = against.key(positive_QD[mine])
    positive_PR = logit(query_RE, own_RE, similarity)[None]
    negative_R = against.log_negatives(query_RE, key_KE, tags, positive_PR, more=more, limits=limits)
    return reduced(surprise(positive_PR, negative_R, decoupled), Q, reduction)


def _named(
    mine: slice, ids: tuple[Tensor | None, Tensor | None], groups: tuple[Tensor | None, Tensor | None], ids_alone: bool
) -> list[Tag]:
    """Ids and groups as tags. One side alone says nothing, but for the queries' ids where more negatives have ids."""
    tags: list[Tag] = []
    for what, (name_Q, name_K) in (("ids", ids), ("groups", groups)):
        if name_Q is not None and name_K is not None:
            tags.append((name_Q[mine], name_K))
        elif name_K is not None or (name_Q is not None and not (what == "ids" and ids_alone)):
            given, missing = ("query", "key") if name_K is None else ("key", "query")
            raise ValueError(f"{given}_{what} are compared with {missing}_{what}, which were not given")
    return tags
