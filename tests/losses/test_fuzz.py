"""Random float64 cases of every loss against whole tables (`dense.py`): masks, slices, guides, tiny tiles, gradients.

A case is a function of its seed. A handful runs always; `make proof` runs hundreds: KONTRAST_FUZZ says how many.
"""

import os
import random
from functools import partial
from itertools import pairwise

import dense
import pytest
import torch
from loss_cases import SIMILARITIES

from kontrast import losses
from kontrast.losses import Guide, redundancy
from kontrast.losses.engine import sigmoid_tiles, small_batch, tiled, tiles

KINDS = ("cosine", *SIMILARITIES)
FEW, MANY = 12, int(os.environ.get("KONTRAST_FUZZ", "300"))


class Case:
    """The draws of one seed."""

    def __init__(self, name, seed):
        self.dice, self.generator = random.Random(f"{name} {seed}"), torch.Generator().manual_seed(seed)
        self.leaves = []
        self.T = self.number(0.5, 0.9, 2.0)

    def maybe(self, share=0.5):
        return self.dice.random() < share

    def number(self, *choices):
        """A learned number half of the time, else a plain one."""
        x = self.dice.choice(choices)
        if self.maybe():
            return x
        self.leaves.append(torch.tensor(x, dtype=torch.float64, requires_grad=True))
        return self.leaves[-1]

    def rows(self, *shape, leaf=True):
        """Standard normal rows, at times one of zeros or two that are equal."""
        x = torch.randn(*shape, generator=self.generator, dtype=torch.float64)
        flat = x.view(-1, shape[-1])
        if leaf and len(flat) > 2 and self.maybe(0.2):
            flat[self.dice.randrange(len(flat))] = 0.0 if self.maybe() else flat[self.dice.randrange(len(flat))].clone()
        self.leaves += [x.requires_grad_()] if leaf else []
        return x

    def plain_rows(self, *shape, near=None, size=1.0):
        """Standard normal rows, none of them zero; or so far from others."""
        x = size * torch.randn(*shape, generator=self.generator, dtype=torch.float64)
        self.leaves.append((x if near is None else near.detach() + x).requires_grad_())
        return self.leaves[-1]

    def names(self, n, share=0.6, kinds=None):
        """Integers of which some are equal, of any integer type; or None."""
        if not self.maybe(share):
            return None
        made = torch.randint(0, kinds or self.dice.choice([1, 2, n, 3 * n]), (n,), generator=self.generator)
        return made.to(self.dice.choice([torch.int64, torch.int32, torch.uint8]))

    def slice(self, n):
        """Our rows: all, said or not, or a part."""
        start = self.dice.randrange(n)
        return self.dice.choice([None, slice(0, n), slice(start, self.dice.randrange(start, n) + 1)])

    def guide(self, queries, keys):
        if not self.maybe(0.3):
            return None
        seen = self.rows(queries, 3, leaf=False), self.rows(keys, 3, leaf=False)
        if self.maybe(0.3):
            seen[self.dice.randrange(2)][0] = 0.0  # the guide knows nothing of this one
        return (*seen, self.dice.choice([-0.5, 0.0, 0.4, 3.0]))

    def how(self, kind):
        """Decoupled, debiased, reweighted: (ours, dense's)."""
        tau = self.dice.choice([0.0, 0.0, 0.05, 0.1, 0.6]) if kind == "cosine" else 0.0
        beta, decoupled = self.dice.choice([0.0, 0.0, 0.7]), self.maybe()
        return (
            {"tau_plus": tau, "beta": beta, "decoupled": decoupled},
            {"tau": tau, "beta": beta, "decoupled": decoupled},
        )


def nt_xent(c):
    V, B, D, kind = c.dice.randint(2, 4), c.dice.randint(2, 7), c.dice.randint(1, 5), c.dice.choice(KINDS)
    z, ids, groups, rows, guide = c.rows(V, B, D), c.names(B), c.names(B, 0.3), c.slice(B), c.guide(B, B)
    K = c.dice.randint(0, 5)
    more = c.rows(K, D) if c.maybe() else None
    more_ids = None if more is None or ids is None else c.names(K, kinds=c.dice.choice([1, B]))
    own = c.rows(V, B, c.dice.randint(0, 3), D) if c.maybe(0.3) else None
    how, dense_how = c.how(kind)
    ours = partial(
        losses.nt_xent,
        z,
        temperature=c.T,
        similarity=kind,
        ids_B=ids,
        groups_B=groups,
        negatives_KD=more,
        negative_ids_K=more_ids,
        own_negatives=own,
        guide=guide and Guide(*guide),
        rows=rows,
        **how,
    )
    whole = dense.nt_xent(
        z, c.T, kind, ids=ids, groups=groups, more=more, more_ids=more_ids, own=own, guide=guide, **dense_how
    )
    return ours, whole[:, rows or slice(None)], whole.numel()


def info_nce(c):
    D, kind, Q = c.dice.randint(1, 5), c.dice.choice(KINDS), c.dice.randint(1, 6)
    form = c.dice.choice(["diagonal", "columns", "vectors"])
    K = Q + c.dice.randint(0, 6) if form == "diagonal" else c.dice.randint(1 if form == "columns" else 0, 9)
    q, k, rows = c.rows(Q, D), c.rows(K, D), c.slice(Q)
    positive = torch.randint(0, K, (Q,), generator=c.generator) if form == "columns" else None
    vectors = c.rows(Q, D) if form == "vectors" else None
    ids, groups = ((c.names(Q, 1.0), c.names(K, 1.0, 5)) if c.maybe() else (None, None) for _ in range(2))
    N = c.dice.randint(0, 4)
    more = c.rows(N, D) if c.maybe() else None
    more_ids = None if more is None or ids[0] is None else c.names(N, kinds=c.dice.choice([1, 4]))
    own = c.rows(Q, c.dice.randint(0, 3), D) if c.maybe(0.4) else None
    guide = None if form == "vectors" else c.guide(Q, K)
    how, dense_how = c.how(kind)
    as_first = more is None and own is not None and c.maybe()
    ours = partial(
        losses.info_nce,
        q,
        k,
        positive,
        temperature=c.T,
        similarity=kind,
        positive_QD=vectors,
        query_ids_Q=ids[0],
        key_ids_K=ids[1],
        query_groups_Q=groups[0],
        key_groups_K=groups[1],
        negatives_KD=own if as_first else more,
        negative_ids_K=more_ids,
        own_negatives=None if as_first else own,
        guide=guide and Guide(*guide),
        rows=rows,
        **how,
    )
    whole = dense.info_nce(
        q,
        k,
        c.T,
        kind,
        positive=positive,
        vectors=vectors,
        ids=None if ids[0] is None else ids,
        groups=None if groups[0] is None else groups,
        more=more,
        more_ids=more_ids,
        own=own,
        guide=guide,
        **dense_how,
    )
    return ours, whole[rows or slice(None)], Q


def clip(c):
    B, D, kind = c.dice.randint(2, 8), c.dice.randint(1, 5), c.dice.choice(KINDS)
    a, b, rows, ids, groups, guide = c.rows(B, D), c.rows(B, D), c.slice(B), c.names(B), c.names(B, 0.3), c.guide(B, B)
    how, dense_how = c.how(kind)
    ours = partial(
        losses.clip,
        a,
        b,
        temperature=c.T,
        similarity=kind,
        ids_B=ids,
        groups_B=groups,
        guide=guide and Guide(*guide),
        rows=rows,
        **how,
    )
    whole = dense.clip(a, b, c.T, kind, ids=ids, groups=groups, guide=guide, **dense_how)
    return ours, whole[rows or slice(None)], B


def siglip(c):
    B, D = c.dice.randint(1, 8), c.dice.randint(1, 5)
    a, b, rows, ids, groups = c.rows(B, D), c.rows(B, D), c.slice(B), c.names(B), c.names(B, 0.3)
    bias = c.number(-10.0, 0.0, 1.5)
    ours = partial(losses.siglip, a, b, temperature=c.T, bias=bias, ids_B=ids, groups_B=groups, rows=rows)
    return ours, dense.siglip(a, b, c.T, bias, ids=ids, groups=groups)[rows or slice(None)], B


def dclw(c):
    B, sigma = c.dice.randint(2, 7), c.dice.choice([0.1, 0.5, 2.0])
    z, rows, ids, groups = c.rows(2, B, c.dice.randint(1, 5)), c.slice(B), c.names(B), c.names(B, 0.3)
    ours = partial(losses.dclw, z, temperature=c.T, sigma=sigma, ids_B=ids, groups_B=groups, rows=rows)
    return ours, dense.dclw(z, c.T, sigma, ids=ids, groups=groups)[:, rows or slice(None)], 2 * B


def sup_con(c):
    N, kind = c.dice.randint(2, 11), c.dice.choice(KINDS)
    x, labels, rows = c.rows(N, c.dice.randint(1, 5)), c.names(N, 1.0), c.slice(N)
    whole, counted = dense.sup_con(x, labels, c.T, kind)
    ours = partial(losses.sup_con, x, labels, temperature=c.T, similarity=kind, rows=rows)
    return ours, whole[rows or slice(None)], max(1, sum(counted))


def margin(c):
    B, kind, wide = c.dice.randint(1, 9), c.dice.choice(["euclidean", "cosine"]), c.dice.choice([0.5, 1.0, 2.0])
    a, b, rows, similar = c.rows(B, 3), c.rows(B, 3), c.slice(B), torch.rand(B, generator=c.generator) < 0.5
    ours = partial(losses.margin, a, b, similar, margin=wide, similarity=kind, rows=rows)
    return ours, dense.margin(a, b, similar, wide, kind)[rows or slice(None)], B


def barlow_twins(c):
    B, D, weight = c.dice.randint(2, 9), c.dice.randint(1, 12), c.dice.choice([0.0, 0.0051, 1.0])
    a, b = c.rows(B, D), c.rows(B, D)
    cuts = sorted({0, B, c.dice.randrange(B), c.dice.randrange(B)})

    def ours(reduction="mean"):
        parts = [slice(i, j) for i, j in pairwise(cuts)] if reduction == "none" else [None]
        return sum(losses.barlow_twins(a, b, off_diagonal_weight=weight, rows=rows) for rows in parts)

    return ours, dense.barlow_twins(a, b, weight), 1


def swapped_prediction(c):
    V, B, K = c.dice.randint(2, 4), c.dice.randint(1, 6), c.dice.randint(1, 5)
    scores, rows = c.rows(V, B, K), c.slice(B)
    codes = torch.rand(c.dice.randint(1, V), B, K, generator=c.generator, dtype=torch.float64).softmax(-1)
    ours = partial(losses.swapped_prediction, scores, codes, temperature=c.T, rows=rows)
    return ours, dense.swapped_prediction(scores, codes, c.T)[rows or slice(None)], B


def byol(c):
    B = c.dice.randint(1, 9)
    p, z, rows = c.plain_rows(B, 3), c.plain_rows(B, 3), c.slice(B)
    return partial(losses.byol, p, z, rows=rows), dense.byol(p, z)[rows or slice(None)], B


def alignment(c):
    B, exponent = c.dice.randint(1, 9), c.dice.choice([0.5, 1.0, 2.0, 3.0])
    a, rows = c.plain_rows(B, 3), c.slice(B)
    b = c.plain_rows(B, 3, near=a, size=c.dice.choice([1e-5, 1.0]))
    ours = partial(losses.alignment, a, b, exponent=exponent, rows=rows)
    return ours, dense.alignment(a, b, exponent)[rows or slice(None)], B


def uniformity(c):
    t, x = c.dice.choice([0.1, 2.0, 50.0]), c.plain_rows(c.dice.randint(2, 9), 4)
    return (lambda reduction="mean": losses.uniformity(x, t=t)), dense.uniformity(x, t), 1


MADE = [
    nt_xent,
    info_nce,
    clip,
    siglip,
    dclw,
    sup_con,
    margin,
    barlow_twins,
    swapped_prediction,
    byol,
    alignment,
    uniformity,
]


def tiny(patch, dice):
    """At times the engine is cut into tiles of a few rows, kept or computed again."""
    if dice.random() < 0.3:
        return
    patch.setattr(small_batch, "LARGEST_ROWS", 0)
    side = dice.randint(1, 6)
    patch.setattr(tiled, "LONGEST", {"cpu": side})
    patch.setattr(tiled, "TILE_ENTRIES", {"cpu": side * dice.randint(1, 7)})
    patch.setattr(tiled, "KEEP_BYTES", dice.choice([0, tiled.KEEP_BYTES]))
    patch.setattr(tiles, "TINY", dice.choice([0, tiles.TINY]))
    patch.setattr(sigmoid_tiles, "TILE", side)
    patch.setattr(redundancy, "BLOCK", side)


def check(make, seed):
    """The loss of each row, the share of the slice, and its gradient by every tensor that went in."""
    c = Case(make.__name__, seed)
    with pytest.MonkeyPatch.context() as patch:
        tiny(patch, c.dice)
        ours, each, count = make(c)
        close = partial(torch.testing.assert_close, rtol=1e-8, atol=1e-9, msg=lambda m: f"{make.__name__} {seed}: {m}")
        close(ours(reduction="none"), each)
        share, expected = ours(), each.sum() / count
        close(share, expected)
        found = torch.autograd.grad(share, c.leaves, allow_unused=True)
        wanted = torch.autograd.grad(expected, c.leaves, allow_unused=True)
        for x, one, other in zip(c.leaves, found, wanted):
            close(*(torch.zeros_like(x) if slope is None else slope for slope in (one, other)))


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_a_few_random_cases(make):
    for seed in range(FEW):
        check(make, seed)


@pytest.mark.proof
@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_hundreds_of_random_cases(make):
    for seed in range(FEW, MANY):
        check(make, seed)
