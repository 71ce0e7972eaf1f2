"""InfoNCE: each query must find its positive among the keys. MoCo's loss, SimCSE's, and half of CLIP's.

What is said at the top of `losses.contrastive` of negatives, names, several processes, precision and the common options
holds here.

Shapes: Q queries, K keys, D width, E prepared width, N more negatives, M negatives of one query, R queries that are
ours, P positives of a query, G width of a guide model.
"""

from __future__ import annotations

from torch import Tensor

from kontrast.losses.contrastive import surprise
from kontrast.losses.engine.arguments import Reduction, arange, formerly, integers, matrices, ours, places, reduced
from kontrast.losses.engine.candidates import Against, Guide
from kontrast.losses.engine.tiles import Stripes, Tag
from kontrast.similarity import Similarity, logit


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
    ids_R = None if query_ids_Q is None else query_ids_Q[mine]
    more = against.more(query_QD, negatives_KD, negative_ids_K, own_negatives, ids_R, mine)
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
