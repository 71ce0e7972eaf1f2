"""Sources of negatives inside the losses of SimCLR and MoCo, against dense float64 arithmetic."""

import math

import numpy as np
import pytest
import torch

from kontrast.methods import moco, simclr
from kontrast.methods.method import Embeddings
from kontrast.negatives.extra import Extra

B, D, T = 10, 6, 0.3


def rows(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def embeddings(roles, *, groups=None, others=None):
    names = None if others is None else others[1]
    roles = roles if others is None else {**roles, "others": others[0]}
    ids = torch.arange(B) * 2
    return Embeddings(roles, ids, 3, 10, 7, rows(B, D), groups, other_names_N=names)


def identity():
    return torch.nn.Identity()


def sim(negatives, **more):
    made = simclr.SimCLR(identity(), D, simclr.Config(width=D, temperature=T, negatives=negatives, **more), seed=2)
    return made.double()


def dense_nt_xent(views, extra_of_row, beta=0.0, tau_plus=0.0):
    """Mean over rows, with each row's list of additional negative logits, reweighted and debiased as in HCL's code."""
    z = unit(torch.cat(list(views)))
    s = z @ z.T / T
    total = 0.0
    for i in range(2 * B):
        negative = torch.cat([s[i, [j for j in range(2 * B) if j % B != i % B]], extra_of_row(i, z[i])])
        n, positive = len(negative), s[i, (i + B) % (2 * B)].exp()
        weight = (beta * negative).exp()
        g = (weight * negative.exp()).sum() * n / weight.sum()
        g = ((g - tau_plus * n * positive) / (1 - tau_plus)).clamp(min=n * math.exp(-1 / T))
        total = total - (positive / (positive + g)).log()
    return total / (2 * B)


@pytest.mark.parametrize(("text", "beta", "tau_plus"), [("", 0, 0), ("+reweighted:0.7+debiased:0.05", 0.7, 0.05)])
def test_simclr_with_a_queue_and_random_draws(text, beta, tau_plus):
    method = sim("queue:9+random:4" + text)
    names = torch.tensor([0, 0, 2, 4, 4, 50, 51, 52, 53])
    method.negatives.queue.keys_KD.copy_(unit(rows(9, D, seed=5)))
    method.negatives.queue.names_K.copy_(names)
    drawn = (rows(4, D, seed=6), torch.tensor([6, 60, 61, 62]))
    views = rows(2, B, D).requires_grad_()
    outcome = method.compare(embeddings({"views": views}, others=drawn))

    def extra(i, row):
        bank = torch.cat([method.negatives.queue.keys_KD, unit(drawn[0])])
        return bank[torch.cat([names, drawn[1]]) != 2 * (i % B)] @ row / T

    torch.testing.assert_close(outcome.loss, dense_nt_xent(views, extra, beta, tau_plus), rtol=1e-10, atol=1e-10)
    count = [2 * B - 2 + 13 - int((torch.cat([names, drawn[1]]) == 2 * i).sum()) for i in range(B)]
    assert outcome.guessing == pytest.approx(np.mean([math.log(n + 1) for n in count]))
    assert ("clamp_rate" in outcome.diagnostics) == (tau_plus > 0)


def test_random_draws_get_a_gradient_and_queued_keys_do_not():
    method = sim("queue:9+random:4")
    drawn = rows(4, D, seed=6).requires_grad_()
    z = embeddings({"views": rows(2, B, D)}, others=(drawn, torch.arange(4) + 60))
    method.compare(z).loss.backward()
    assert drawn.grad is not None and drawn.grad.abs().sum() > 0
    assert not method.negatives.queue.keys_KD.requires_grad


@pytest.mark.parametrize("text", ["mixed:6", "queue:12+mixed:6", "queue:12+mined:5", "queue:12+mined:5+mixed:7"])
def test_each_rows_own_negatives_enter_its_sum(text):
    method, views = sim(text), rows(2, B, D)
    z = embeddings({"views": views})
    added = method.negatives
    batch = (views.flatten(0, 1), z.names_B.repeat(2))
    more = added(views, z.names_B, (z.seed, z.step), batch=batch)
    assert more.own.shape == (2, B, added.requested.mined + added.requested.mixed, D)
    shared = unit(more.shared_ND) if len(more.shared_ND) else more.shared_ND
    assert len(shared) == (0 if added.requested.mined else added.requested.queue)

    def extra(i, row):
        return torch.cat([shared, unit(more.own[i // B, i % B])]) @ row / T

    torch.testing.assert_close(method.compare(z).loss, dense_nt_xent(views, extra), rtol=1e-9, atol=1e-9)
    if added.requested.mined:  # they are the most similar keys of the queue
        keys = added.queue.keys_KD
        best = (unit(views[1, 3]) @ keys.T).topk(added.requested.mined).indices
        torch.testing.assert_close(more.own[1, 3, : added.requested.mined], keys[best])
    if text == "mixed:6":  # made from the batch, never from the row's own views
        assert (more.own[0, 0] @ unit(views[0, 0]) < 1 - 1e-6).all()


@pytest.mark.parametrize(
    "text", ["queue:12", "queue:12+mined:5", "queue:12+mixed:4", "queue:12+random:3+reweighted:0.5"]
)
def test_moco_against_dense_arithmetic(text):
    config = moco.Config(width=D, temperature=T, negatives=text)
    method = moco.MoCo(identity(), D, config, seed=2).double()
    query, key = rows(1, B, D, seed=3), unit(rows(1, B, D, seed=4))
    drawn = (rows(3, D, seed=6), torch.tensor([60, 61, 62])) if "random" in text else None
    z = embeddings({"query": query, "key": key}, others=drawn)
    more = method.negatives(query[0], z.names_B, (z.seed, z.step, 0, 0), drawn=z.others)
    total, q = 0.0, unit(query[0])
    for i in range(B):
        own = [] if more.own is None else [unit(more.own[i])]
        shared = [unit(more.shared_ND)] if len(more.shared_ND) else []
        s = torch.cat([*shared, *own]) @ q[i] / T
        w = (method.negatives.requested.beta * s).exp()
        g = (w * s.exp()).sum() * len(s) / w.sum()
        positive = (q[i] @ key[0, i] / T).exp()
        total = total - (positive / (positive + g)).log() / B
    outcome = method.compare(z)
    torch.testing.assert_close(outcome.loss, total, rtol=1e-9, atol=1e-9)
    expected = {"queue:12": 12, "queue:12+mined:5": 5, "queue:12+mixed:4": 16}.get(text, 15)
    assert outcome.guessing == pytest.approx(math.log(1 + expected))


def test_mixing_needs_the_sphere():
    with pytest.raises(ValueError, match="cosine"):
        Extra("mixed:4", D, "euclidean", seed=0)


@pytest.mark.parametrize("similarity", ["dot", "euclidean", "squared_euclidean"])
def test_any_similarity_with_a_queue(similarity):
    method = sim("queue:9", similarity=similarity)
    views = rows(2, B, D) * 0.3
    z = embeddings({"views": views})
    flat, keys, total = views.flatten(0, 1), method.negatives.queue.keys_KD, 0.0
    value = {
        "dot": lambda a, b: b @ a,
        "euclidean": lambda a, b: -(b - a).norm(dim=-1),
        "squared_euclidean": lambda a, b: -(b - a).square().sum(-1),
    }[similarity]
    for i in range(2 * B):
        others = torch.cat([flat[[j for j in range(2 * B) if j != i]], keys])
        s = value(flat[i], others) / T
        total = total - value(flat[i], flat[(i + B) % (2 * B)][None])[0] / T + s.logsumexp(0)
    torch.testing.assert_close(method.compare(z).loss, total / (2 * B), rtol=1e-9, atol=1e-9)
