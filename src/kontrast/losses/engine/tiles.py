"""One tile of the table of logits: what is in it, who is left out of it, and where its gradient goes.

`Products` and `Distances` are the two kinds of table the engine (`losses.blocks`) runs over. Rows are picked by slices;
a tile of the table lives in a buffer that is used again. Products are written as `out=` also because autocast then
leaves them alone: a loss does not change with the region it is called in.

Shapes: Q queries, K keys, E width, R and C rows and columns of one tile, G width of a guide model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor


class Stripes(NamedTuple):
    """Pairs with key = query + first, modulo period: what ids by place amount to, with nothing to look up."""

    period: int
    first: int = 0

    def swapped(self) -> Stripes:
        return Stripes(self.period, -self.first)

    def fill(self, rows: slice, columns: slice, tile_RC: Tensor, value: float) -> None:
        lowest, highest = columns.start - rows.stop + 1, columns.stop - rows.start  # of key - query within the tile
        for stripe in range(lowest + (self.first - lowest) % self.period, highest, self.period):
            tile_RC.diagonal(stripe - columns.start + rows.start).fill_(value)


Tag: TypeAlias = "tuple[Tensor, Tensor] | Stripes"  # (Q,), (K,) integers: where they are equal, left out
Tags: TypeAlias = Sequence[Tag]

TINY = 2**15  # entries of a table whose tags are compared at once
CLOSE = 1e-3  # a squared distance up to this share of |q|^2 + |k|^2 is computed again from the difference


class Limits(NamedTuple):
    """A second product per tile: keys with <guide_query, guide_key> > limit of the query are left out."""

    query_QG: Tensor
    key_KG: Tensor
    limit_Q: Tensor


class Gradients(NamedTuple):
    """Where the engine adds up d loss / d query and d loss / d key; None where nobody asks."""

    query_QE: Tensor | None
    key_KE: Tensor | None


class LeftOut:
    """Which pairs of the table are not negatives, tile by tile; never a Q x K mask.

    Equal tags are found once by sorting, so a tile pays for the pairs it holds and not for its area. Where pairs abound
    (few large groups), or the table is tiny, the tile compares its integers instead.
    """

    def __init__(
        self, queries: int, keys: int, tile: tuple[int, int], tags: Tags = (), limits: Limits | None = None
    ) -> None:
        self.queries, self.keys, self.tile, self.limits = queries, keys, tile, limits
        self.stripes = [tag for tag in tags if isinstance(tag, Stripes)]
        self.compared: list[tuple[Tensor, Tensor]] = []
        self.listed: list[tuple[Tensor, ...]] = []
        for tag in tags:
            if isinstance(tag, Stripes):
                continue
            equal = None if queries * keys <= TINY else Equal(*tag)
            if equal is None or equal.total > 16 * (queries + keys):
                self.compared.append(tag)
            else:
                self.listed.append(self._by_tile(*equal.pairs()))

    def _by_tile(self, query: Tensor, key: Tensor) -> tuple[Tensor, ...]:
        """Places of the pairs within their tiles, flattened; one tensor per tile, row of tiles by row of tiles."""
        height, width = self.tile
        across = -(-self.keys // width)
        number = torch.div(query, height, rounding_mode="floor") * across + torch.div(key, width, rounding_mode="floor")
        place = (query % height) * (self.keys - key // width * width).clamp(max=width) + key % width
        counts = torch.bincount(number, minlength=-(-self.queries // height) * across)
        made: tuple[Tensor, ...] = place[number.argsort()].split(counts.tolist())
        return made

    def fill(self, rows: slice, columns: slice, tile_RC: Tensor, value: float) -> None:
        """Write the value wherever the pair is left out."""
        for stripes in self.stripes:
            stripes.fill(rows, columns, tile_RC, value)
        for places in self.listed:
            across = -(-self.keys // self.tile[1])
            tile_RC.view(-1).index_fill_(
                0, places[rows.start // self.tile[0] * across + columns.start // self.tile[1]], value
            )
        for query_tag_Q, key_tag_K in self.compared:
            tile_RC.masked_fill_(query_tag_Q[rows, None] == key_tag_K[columns], value)
        if self.limits is not None:
            query_RG, key_CG = self.limits.query_QG[rows], self.limits.key_KG[columns]
            guide_RC = torch.mm(query_RG, key_CG.T, out=query_RG.new_empty(tile_RC.shape))
            tile_RC.masked_fill_(guide_RC > self.limits.limit_Q[rows, None], value)


class Equal:
    """The (query, key) pairs with equal tags, found by sorting."""

    def __init__(self, query_tag_Q: Tensor, key_tag_K: Tensor) -> None:
        sorted_K, self.place_K = key_tag_K.sort()
        self.first_Q = torch.searchsorted(sorted_K, query_tag_Q)
        self.many_Q = torch.searchsorted(sorted_K, query_tag_Q, right=True) - self.first_Q
        self.total = int(self.many_Q.sum())

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Their queries and keys, (total,) each."""
        device = self.many_Q.device
        query = torch.arange(len(self.many_Q), device=device).repeat_interleave(self.many_Q)
        nth = torch.arange(self.total, device=device) - (self.many_Q.cumsum(0) - self.many_Q)[query]
        return query, self.place_K[self.first_Q[query] + nth]


class Products:
    """logit = <query, key>."""

    def __init__(self, query_QE: Tensor, key_KE: Tensor, left_out: LeftOut) -> None:
        self.query_QE, self.key_KE, self.left_out = query_QE, key_KE, left_out

    def fill(self, rows: slice, columns: slice, logit_RC: Tensor) -> None:
        """Write the tile's logits; -inf where left out."""
        torch.mm(self.query_QE[rows], self.key_KE[columns].T, out=logit_RC)
        self.left_out.fill(rows, columns, logit_RC, -torch.inf)

    def pull(self, weight_RC: Tensor, logit_RC: Tensor, rows: slice, columns: slice, onto: Gradients) -> None:
        """Add what the tile's d loss / d logit gives to the gradient of its queries and keys."""
        if onto.query_QE is not None:
            onto.query_QE[rows].addmm_(weight_RC, self.key_KE[columns])
        if onto.key_KE is not None:
            onto.key_KE[columns].addmm_(weight_RC.T, self.query_QE[rows])


class Distances:
    """logit = -|query - key|, from products; rows with a pair too close for that, from differences.

    The centre of the keys is taken out first: distances stay the same and products lose less.
    """

    def __init__(self, query_QE: Tensor, key_KE: Tensor, left_out: LeftOut) -> None:
        centre_E = key_KE.mean(0)
        self.query_QE, self.key_KE, self.left_out = query_QE - centre_E, key_KE - centre_E, left_out
        self.query_square_Q, self.key_square_K = self.query_QE.square().sum(1), self.key_KE.square().sum(1)

    def fill(self, rows: slice, columns: slice, logit_RC: Tensor) -> None:
        query_RE, key_CE = self.query_QE[rows], self.key_KE[columns]
        sizes_RC = self.query_square_Q[rows, None] + self.key_square_K[columns]
        torch.addmm(sizes_RC, query_RE, key_CE.T, alpha=-2, out=logit_RC)
        self.left_out.fill(rows, columns, logit_RC, torch.inf)
        again = (logit_RC <= sizes_RC.mul_(CLOSE)).any(1).nonzero().squeeze(1)
        logit_RC.clamp_(min=0).sqrt_().neg_()
        if len(again):
            logit_RC[again] = -_difference(query_RE[again], key_CE)
            self.left_out.fill(rows, columns, logit_RC, -torch.inf)

    def pull(self, weight_RC: Tensor, logit_RC: Tensor, rows: slice, columns: slice, onto: Gradients) -> None:
        """d logit / d query = (query - key) / logit, 0 for equal points."""
        query_RE, key_CE = self.query_QE[rows], self.key_KE[columns]
        sizes_RC = self.query_square_Q[rows, None] + self.key_square_K[columns]
        again = (logit_RC.square() <= sizes_RC.mul_(CLOSE)).any(1).nonzero().squeeze(1)
        ratio_RC = weight_RC / logit_RC
        ratio_RC[again] = 0.0
        if onto.query_QE is not None:
            onto.query_QE[rows].addmm_(ratio_RC, key_CE, alpha=-1).addcmul_(ratio_RC.sum(1, keepdim=True), query_RE)
        if onto.key_KE is not None:
            onto.key_KE[columns].addmm_(ratio_RC.T, query_RE, alpha=-1).addcmul_(ratio_RC.sum(0)[:, None], key_CE)
        if len(again):
            with torch.enable_grad():
                near_RE, key_CE = query_RE[again].requires_grad_(), key_CE.detach().requires_grad_()
                distance_RC = _difference(near_RE, key_CE)
            dnear_RE, dkey_CE = torch.autograd.grad(distance_RC, (near_RE, key_CE), -weight_RC[again])
            if onto.query_QE is not None:
                onto.query_QE[rows].index_add_(0, again, dnear_RE)
            if onto.key_KE is not None:
                onto.key_KE[columns].add_(dkey_CE)


def _difference(query_RE: Tensor, key_CE: Tensor) -> Tensor:
    return torch.cdist(query_RE, key_CE, compute_mode="donot_use_mm_for_euclid_dist")
