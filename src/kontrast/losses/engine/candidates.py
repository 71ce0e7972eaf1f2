"""The log-sum over a row's negatives: who is left out, who is added, who counts more.

    left out     keys that share a tag with the query (sample id, group id); keys a guide model finds too close
    added        more negatives: shared by all rows (a queue, random draws), or each row its own (mined, mixed)
    debiased     N_g = max( (sum_j w_j e^{s_j} - tau_plus N e^{s_p}) / (1 - tau_plus),  N e^{-1/T} )
    reweighted   w_j = e^{beta s_j} / mean_k e^{beta s_k}                       (beta 0: all 1)

with s already divided by T and N the row's number of negatives; N_g replaces the sum over negatives. Everything stays
in log space: ln sum_j w_j e^{s_j} = ln N + lse_{1+beta} - lse_beta, two log-sums of one row. The weights have gradient.
Mind the clamp: at s_p = 1 with orthogonal negatives it holds whenever e^{1/T} > about 1/tau_plus (tau_plus 0.1: T below
0.43), and a clamped row gives its negatives no gradient at all. `diagnostics["clamp_rate"]` is the share of such rows.

Sources: Chuang et al. 2020, arXiv:2007.00224 (debiased); Robinson et al. 2021, arXiv:2010.04592 (reweighted);
Solatorio 2024, arXiv:2402.16829 (guide).

Shapes: R rows, K keys, N more negatives, M negatives of one row, P positives of a row, S log-sums of a row,
E prepared width, G guide width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kontrast.losses.engine.arguments import integers, matrices, scale_of
from kontrast.losses.engine.tiled import Columns, log_sum_exp, negatives_left
from kontrast.losses.engine.tiles import Limits, Stripes, Tags
from kontrast.similarity import Similarity, checked, logit, prepared, unit


class Guide(NamedTuple):
    """Embeddings of another, trusted model. A key that it finds closer to the query than the query's own positive is
    (cosine, less `margin`) is taken for a false negative and left out. Its width may differ from the model's. Of a row
    of zeros it knows nothing: none is left out for it, and it for none."""

    query_QG: Tensor
    key_KG: Tensor
    margin: float = 0.0

    def fits(self, queries: int, keys: int) -> None:
        """ValueError unless it has a row for each query and each key, all of them numbers."""
        matrices(guide_query_QG=self.query_QG, guide_key_KG=self.key_KG)
        if (len(self.query_QG), len(self.key_KG)) != (queries, keys):
            rows = f"{len(self.query_QG)} and {len(self.key_KG)}"
            raise ValueError(f"guide needs a row for each of {queries} queries and {keys} keys, got {rows}")
        if not math.isfinite(self.margin):
            raise ValueError(f"guide's margin must be a number, got {self.margin}")
        for name, x in zip(("query_QG", "key_KG"), self[:2]):
            if x.device.type == "cpu" and not bool(x.detach().isfinite().all()):
                raise ValueError(f"guide's {name} must be finite: nothing can be said of a row that is not")

    def limits(self, positive_RG: Tensor, mine: slice, repeat: int = 1) -> Limits:
        """For our rows, whose positives are given; all repeated for so many views."""
        query_RG, key_KG = _known(self.query_QG.detach()[mine]), _known(self.key_KG.detach())
        limit_R = (query_RG * _known(positive_RG.detach())).sum(-1) - self.margin
        return Limits(query_RG.repeat(repeat, 1), key_KG.repeat(repeat, 1), limit_R.repeat(repeat))


class More(NamedTuple):
    """More negatives, prepared: (N, E) shared by all rows and left out by tags, or (R, M, E), each row its own."""

    negatives: Tensor
    tags: Tags = ()


@dataclass(frozen=True)
class Against:
    """How rows are compared with their negatives: the similarity, 1 / temperature, and what counts more."""

    similarity: Similarity
    scale: Tensor | float
    tau_plus: float
    beta: float
    diagnostics: dict[str, Tensor] | None
    balanced: bool  # queries and keys are treated alike, so that they can be the same tensor

    @classmethod
    def of(
        cls,
        temperature: Tensor | float,
        similarity: Similarity,
        *,
        tau_plus: float = 0.0,
        beta: float = 0.0,
        diagnostics: dict[str, Tensor] | None = None,
        balanced: bool = False,
    ) -> Against:
        if not 0 <= tau_plus < 1:
            raise ValueError(f"tau_plus is the share of false negatives, 0 <= tau_plus < 1, got {tau_plus}")
        if not 0 <= beta < math.inf:
            raise ValueError(f"beta sharpens towards harder negatives and must be >= 0 and finite, got {beta}")
        if tau_plus and similarity != "cosine":
            raise ValueError(f"tau_plus needs the least similarity there is, -1 for cosine; got {similarity!r}")
        return cls(
            checked(similarity),
            scale_of(temperature),
            tau_plus,
            beta,
            diagnostics,
            balanced and similarity != "euclidean",
        )

    def query(self, x: Tensor) -> Tensor:
        """Rows prepared as queries. They carry 1 / temperature, or its root if keys carry the other half."""
        return prepared(x, self.scale**0.5 if self.balanced else self.scale, self.similarity)

    def key(self, x: Tensor) -> Tensor:
        """Rows prepared as keys: as they are unless balanced; a distance needs 1 / temperature on both sides."""
        side = self.scale if self.similarity == "euclidean" else self.scale**0.5 if self.balanced else 1.0
        return prepared(x, side, self.similarity, key=True)

    @property
    def powers(self) -> tuple[float, ...]:
        """Of exp(logit), whose sums the row needs."""
        return (1.0 + self.beta, self.beta) if self.beta else (1.0,)

    @property
    def plain(self) -> bool:
        """Cosine, and every negative counts as it is."""
        return self.similarity == "cosine" and not self.tau_plus and not self.beta

    @property
    def largest(self) -> float | None:
        """The largest |logit| there can be, if known without reading a GPU's memory."""
        if self.similarity != "cosine" or (isinstance(self.scale, Tensor) and self.scale.device.type != "cpu"):
            return None
        return float(self.scale.detach() if isinstance(self.scale, Tensor) else self.scale)

    def more(
        self,
        like: Tensor,
        shared_ND: Tensor | None,
        shared_ids_N: Tensor | None,
        own: Tensor | None,
        ids_R: Tensor | None,
        mine: slice,
    ) -> list[More]:
        """Negatives beside the batch's own: shared (N, D) with their ids, and each row's own, (..., B, M, D).

        like: the rows they are for, (..., B, D). ids_R: the ids of ours among them, each view's after the other's.
        """
        made: list[More] = []
        *rows, width = like.shape
        if shared_ids_N is not None and (shared_ND is None or ids_R is None):
            what = "negatives_KD" if shared_ND is None else "the ids of the rows"
            raise ValueError(f"negative_ids_K are compared with the ids of the rows; {what} were not given")
        if shared_ND is not None:
            matrices(rows=like.reshape(-1, width), negatives_KD=shared_ND, least=0)
            (shared_ids_N,) = integers(len(shared_ND), negative_ids_K=shared_ids_N)
            tags: Tags = [] if shared_ids_N is None or ids_R is None else [(ids_R, shared_ids_N)]
            made += [More(self.key(shared_ND), tags)] if len(shared_ND) else []
        if own is not None:
            axes = "(Q, M, D)" if len(rows) == 1 else "(V, B, M, D)"
            if (*own.shape[:-2], *own.shape[-1:]) != (*rows, width) or not own.is_floating_point():
                wanted = (*rows, "M", width)
                raise ValueError(f"own_negatives must be float {axes}, {wanted}, got {own.dtype} {tuple(own.shape)}")
            made += [More(self.key(own[..., mine, :, :]).flatten(0, -3))] if own.shape[-2] else []
        return made

    def log_negatives(
        self,
        query_RE: Tensor,
        key_KE: Tensor,
        tags: Tags,
        positive_PR: Tensor,
        *,
        columns: Columns = "none",
        more: Sequence[More] = (),
        limits: Limits | None = None,
    ) -> Tensor:
        """ln of each row's sum over negatives, (R,). With columns="own" the keys' own sums follow, (R + K,)."""
        sum_SR = self._log_sum_exp(query_RE, key_KE, tags, columns, limits)
        for one in more:
            if one.negatives.ndim == 2:
                added_SR = self._log_sum_exp(query_RE, one.negatives, one.tags)
            else:
                logit_RM = logit(query_RE[:, None], one.negatives, self.similarity)
                added_SR = torch.stack([(power * logit_RM).logsumexp(1) for power in self.powers])
            sum_SR = _added(sum_SR, added_SR)
        if not self.tau_plus and not self.beta:
            return sum_SR[0]
        Q, K, device = len(query_RE), len(key_KE), query_RE.device
        negatives_R = negatives_left(tags, Q, K, limits, device)
        if columns == "own":
            backwards = [tag.swapped() if isinstance(tag, Stripes) else (tag[1], tag[0]) for tag in tags]
            negatives_R = torch.cat([negatives_R, negatives_left(backwards, K, Q, device=device)])
        for one in more:
            negatives_R = negatives_R + negatives_left(one.tags, Q, one.negatives.shape[-2], device=device)
        return self._hardened(sum_SR, positive_PR, negatives_R)

    def _log_sum_exp(
        self,
        query_RE: Tensor,
        key_KE: Tensor,
        tags: Tags,
        columns: Columns = "none",
        limits: Limits | None = None,
    ) -> Tensor:
        if not len(key_KE):
            return query_RE.new_full((len(self.powers), len(query_RE)), -torch.inf)
        return log_sum_exp(
            query_RE,
            key_KE,
            tags,
            columns=columns,
            euclidean=self.similarity == "euclidean",
            powers=self.powers,
            limits=limits,
            largest=self.largest,
        )

    def _hardened(self, sum_SR: Tensor, positive_PR: Tensor, negatives_R: Tensor) -> Tensor:
        """ln N_g of each row, from its log-sums, its positives and its number of negatives."""
        none_R = negatives_R == 0
        count_R = negatives_R.clamp(min=1).to(sum_SR.dtype).log()
        weighted_R = count_R + sum_SR[0] - sum_SR[1] if self.beta else sum_SR[0]
        weighted_R = weighted_R.masked_fill(none_R, -torch.inf)
        if self.tau_plus == 0:
            return weighted_R
        disguised_R = math.log(self.tau_plus / len(positive_PR)) + count_R + positive_PR.logsumexp(0)
        below_R = (disguised_R - weighted_R).exp() >= 1.0  # what is left would be ln 0, or of a negative number
        left_R = weighted_R + torch.log1p(-(disguised_R - weighted_R).masked_fill(below_R, -1.0).exp())
        left_R = left_R - math.log1p(-self.tau_plus)
        floor_R = count_R - self.scale
        clamped_R = (below_R | (left_R < floor_R)) & ~none_R
        if self.diagnostics is not None:
            self.diagnostics["clamp_rate"] = clamped_R.float().mean()
        return torch.where(clamped_R, floor_R, left_R)


def _added(first: Tensor, second: Tensor) -> Tensor:
    """ln(e^first + e^second); where both are -inf that, with no gradient. (`logaddexp` gives NaN for one.)"""
    none = first.isneginf() & second.isneginf()
    return torch.logaddexp(first.masked_fill(none, 0.0), second).masked_fill(none, -torch.inf)


def _known(x_RG: Tensor) -> Tensor:
    """Unit rows; those of zeros as NaN, which is above no limit."""
    return unit(x_RG).masked_fill((x_RG == 0).all(1, keepdim=True), torch.nan)
