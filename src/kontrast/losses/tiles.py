"""One tile of the table of logits: what is in it, who is left out of it, and where its gradient goes.

`Products` and `Distances` are the two kinds of table the engine (`losses.blocks`) runs over. Rows are picked by slices;
a tile of the table lives in a buffer that is used again.

Shapes: Q queries, K keys, E width, R and C rows and columns of one tile, G width of a guide model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

Tags: TypeAlias = Sequence[tuple[Tensor, Tensor]]  # (Q,) and (K,) integers: a pair with equal integers is left out

CLOSE = 1e-3  # a squared distance below this share of |q|^2 + |k|^2 is recomputed from the difference


class Limits(NamedTuple):
    """A second product per tile: keys with <guide_query, guide_key> > limit of the query are left out."""

    query_QG: Tensor
    key_KG: Tensor
    limit_Q: Tensor


class Gradients(NamedTuple):
    """Where the engine adds up d loss / d query and d loss / d key; None where nobody asks."""

    query_QE: Tensor | None
    key_KE: Tensor | None


@dataclass
class LeftOut:
    """Which pairs of a tile are not negatives: one comparison of integers per tile that holds any, never a Q x K mask."""

    tags: Tags
    limits: Limits | None
    tile: tuple[int, int]
    hit: list[list[list[bool]]] = field(init=False)

    def __post_init__(self) -> None:
        self.hit = [_tiles_hit(query_tag_Q, key_tag_K, self.tile) for query_tag_Q, key_tag_K in self.tags]

    def __call__(self, rows: slice, columns: slice) -> Tensor | None:
        """(R, C) of bool, True where the pair is left out; None if all stay."""
        out_RC = None
        for (query_tag_Q, key_tag_K), hit in zip(self.tags, self.hit):
            if hit[rows.start // self.tile[0]][columns.start // self.tile[1]]:
                same_RC = query_tag_Q[rows, None] == key_tag_K[columns]
                out_RC = same_RC if out_RC is None else out_RC.logical_or_(same_RC)
        if self.limits is not None:
            near_RC = self.limits.query_QG[rows] @ self.limits.key_KG[columns].T > self.limits.limit_Q[rows, None]
            out_RC = near_RC if out_RC is None else out_RC.logical_or_(near_RC)
        return out_RC


def _tiles_hit(query_tag_Q: Tensor, key_tag_K: Tensor, tile: tuple[int, int]) -> list[list[bool]]:
    """Which tiles hold a pair of equal tags, found by sorting. If pairs abound (few large groups): all tiles."""
    grid = -(-len(query_tag_Q) // tile[0]), -(-len(key_tag_K) // tile[1])
    everywhere = [[True] * grid[1]] * grid[0]
    if grid == (1, 1):
        return everywhere
    sorted_K, place_K = key_tag_K.sort()
    first_Q = torch.searchsorted(sorted_K, query_tag_Q)
    many_Q = torch.searchsorted(sorted_K, query_tag_Q, right=True) - first_Q
    total = int(many_Q.sum())
    if total > 16 * (len(query_tag_Q) + len(key_tag_K)):
        return everywhere
    query = torch.arange(len(query_tag_Q), device=many_Q.device).repeat_interleave(many_Q)
    nth = torch.arange(total, device=many_Q.device) - (many_Q.cumsum(0) - many_Q)[query]
    key = place_K[first_Q[query] + nth]
    hit = torch.zeros(grid, dtype=torch.bool)
    hit[(query // tile[0]).cpu(), (key // tile[1]).cpu()] = True
    made: list[list[bool]] = hit.tolist()
    return made


class Products:
    """logit = <query, key>."""

    def __init__(self, query_QE: Tensor, key_KE: Tensor, left_out: LeftOut) -> None:
        self.query_QE, self.key_KE, self.left_out = query_QE, key_KE, left_out

    def fill(self, rows: slice, columns: slice, logit_RC: Tensor) -> None:
        """Write the tile's logits; -inf where left out."""
        torch.mm(self.query_QE[rows], self.key_KE[columns].T, out=logit_RC)
        out_RC = self.left_out(rows, columns)
        if out_RC is not None:
            logit_RC.masked_fill_(out_RC, -torch.inf)

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
        out_RC = self.left_out(rows, columns)
        if out_RC is not None:
            logit_RC.masked_fill_(out_RC, torch.inf)
        again = (logit_RC < sizes_RC.mul_(CLOSE)).any(1).nonzero().squeeze(1)
        logit_RC.clamp_(min=0).sqrt_().neg_()
        if len(again):
            logit_RC[again] = -_difference(query_RE[again], key_CE)
            if out_RC is not None:
                logit_RC.masked_fill_(out_RC, -torch.inf)

    def pull(self, weight_RC: Tensor, logit_RC: Tensor, rows: slice, columns: slice, onto: Gradients) -> None:
        """d logit / d query = (query - key) / logit, 0 for equal points."""
        query_RE, key_CE = self.query_QE[rows], self.key_KE[columns]
        sizes_RC = self.query_square_Q[rows, None] + self.key_square_K[columns]
        again = (logit_RC.square() < sizes_RC.mul_(CLOSE)).any(1).nonzero().squeeze(1)
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
