"""nt_xent, info_nce, clip, siglip, sup_con against the float64 oracles, through every path of the engine."""

import itertools

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import SIMILARITIES, made, oracles

from kontrast import losses
from kontrast.losses import Guide

IDS = torch.tensor([0, 1, 2, 0, 4, 5, 1])


GROUPS = torch.tensor([3, 3, 7, 8, 9, 10, 11])


MORE_IDS = torch.tensor([5, 9, 2, -1])


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(ours.detach().numpy()), np.asarray(oracle), rtol=tolerance, atol=tolerance)


def gradient_is_the_slope(ours, oracle, x, tolerance=2e-6):
    """ours(tensor) and oracle(array), both scalar."""
    leaf = x.clone().requires_grad_()
    ours(leaf).backward()
    slope = oracles.slope(oracle, x.numpy())
    assert leaf.grad is not None
    np.testing.assert_allclose(leaf.grad.numpy(), slope, rtol=1e-4, atol=tolerance * max(1.0, np.abs(slope).max()))


@pytest.mark.parametrize(
    ("similarity", "temperature", "views"), list(itertools.product(SIMILARITIES, (0.5, 0.02), (2, 3)))
)
def test_nt_xent(engine, similarity, temperature, views):
    z = made(views, 7, 4)
    close(
        losses.nt_xent(z, temperature=temperature, similarity=similarity, reduction="none"),
        oracles.nt_xent(z.numpy(), temperature, similarity),
    )
    if views == 2:
        gradient_is_the_slope(
            lambda x: losses.nt_xent(x, temperature=temperature, similarity=similarity),
            lambda x: oracles.nt_xent(x, temperature, similarity).mean(),
            z,
        )


@pytest.mark.parametrize(("similarity", "decoupled"), list(itertools.product(SIMILARITIES, (False, True))))
def test_nt_xent_with_names_and_more_negatives(engine, similarity, decoupled):
    z, more, own = made(2, 7, 4), made(4, 4, key="more"), made(2, 7, 3, 4, key="own")
    ours = losses.nt_xent(
        z, temperature=0.3, similarity=similarity, decoupled=decoupled, ids_B=IDS, groups_B=GROUPS, negatives_KD=more,
        negative_ids_K=MORE_IDS, own_negatives=own, reduction="none",
    )  # fmt: skip
    by_hand = oracles.nt_xent(
        z.numpy(), 0.3, similarity, decoupled=decoupled, ids=IDS.tolist(), groups=GROUPS.tolist(), more=more.numpy(),
        more_ids=MORE_IDS.tolist(), own=own.numpy(),
    )  # fmt: skip
    close(ours, by_hand)


@pytest.mark.parametrize(("similarity", "tau_plus", "beta"), [
    ("cosine", 0.1, 0.0), ("cosine", 0.0, 1.0), ("cosine", 0.1, 0.5), ("cosine", 0.9, 0.5), ("euclidean", 0.0, 0.7),
])  # fmt: skip
def test_debiased_and_reweighted(engine, similarity, tau_plus, beta):
    z, more, diagnostics = made(2, 7, 4), made(4, 4, key="more"), {}
    options = {"tau_plus": tau_plus, "beta": beta}
    close(
        losses.nt_xent(z, temperature=0.5, similarity=similarity, ids_B=IDS, negatives_KD=more, negative_ids_K=MORE_IDS,
                       diagnostics=diagnostics, reduction="none", **options),
        oracles.nt_xent(z.numpy(), 0.5, similarity, ids=IDS.tolist(), more=more.numpy(), more_ids=MORE_IDS.tolist(),
                        **options),
    )  # fmt: skip
    if tau_plus:
        assert (0 < float(diagnostics["clamp_rate"]) <= 1) == (tau_plus == 0.9)
    gradient_is_the_slope(
        lambda x: losses.nt_xent(x, temperature=0.5, similarity=similarity, **options),
        lambda x: oracles.nt_xent(x, 0.5, similarity, **options).mean(),
        z,
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_gradcheck_with_learned_temperature(engine, similarity):
    z, logarithm = made(2, 6, 3).requires_grad_(), torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    more = made(3, 3, key="more").requires_grad_()
    ids = torch.tensor([0, 1, 2, 0, 4, 5])
    assert torch.autograd.gradcheck(
        lambda z, t, more: losses.nt_xent(z, temperature=t.exp(), similarity=similarity, ids_B=ids, negatives_KD=more),
        (z, logarithm, more),
    )
    assert torch.autograd.gradcheck(
        lambda z, t: losses.clip(z[0], z[1], temperature=t.exp(), similarity=similarity, beta=0.5), (z, logarithm)
    )
    assert torch.autograd.gradcheck(
        lambda z, t: losses.siglip(z[0], z[1], temperature=t.exp(), bias=t, rows=slice(1, 4)), (z, logarithm)
    )


@pytest.mark.parametrize(("similarity", "decoupled"), list(itertools.product(SIMILARITIES, (False, True))))
def test_gradcheck_of_the_plain_losses(engine, similarity, decoupled):
    z, logarithm = made(2, 6, 3).requires_grad_(), torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([0, 1, 2, 0, 4, 5])
    said = {"similarity": similarity, "decoupled": decoupled, "ids_B": ids}
    assert torch.autograd.gradcheck(lambda z, t: losses.nt_xent(z, temperature=t.exp(), **said), (z, logarithm))
    assert torch.autograd.gradcheck(lambda z, t: losses.clip(z[0], z[1], temperature=t.exp(), **said), (z, logarithm))


def test_guide_leaves_out_what_it_finds_closer_than_the_positive(engine):
    query, key = made(6, 4), made(6, 4, key="keys")
    guide = Guide(made(6, 3, key="guide"), made(6, 3, key="guide keys"), margin=0.1)
    ours = losses.info_nce(query, key, temperature=0.5, guide=guide, reduction="none")
    for q in range(6):
        score = [oracles.similarity(guide.query_QG[q], guide.key_KG[k], "cosine") for k in range(6)]
        negatives = [
            oracles.similarity(query[q], key[k], "cosine") / 0.5
            for k in range(6)
            if k != q and score[k] <= score[q] - 0.1
        ]
        assert float(ours[q]) == pytest.approx(
            oracles.row_loss([oracles.similarity(query[q], key[q], "cosine") / 0.5], negatives), abs=1e-10
        )
    back = Guide(guide.key_KG, guide.query_QG, 0.1)
    both = (ours + losses.info_nce(key, query, temperature=0.5, guide=back, reduction="none")) / 2
    close(losses.clip(query, key, temperature=0.5, guide=guide, reduction="none"), both.numpy())
    strict = losses.nt_xent(torch.stack([query, key]), temperature=0.5, guide=Guide(guide.key_KG, guide.key_KG, 2.5))
    assert float(strict) == 0.0  # every negative is within 2.5 of the positive: none is left


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_shares_of_processes_add_up(engine, similarity):
    z, ids, labels = made(3, 7, 4).requires_grad_(), IDS, torch.tensor([0, 1, 0, 2, 1, 0, 3])
    t = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    more, own = made(4, 4, key="more"), made(3, 7, 2, 4, key="own")
    cases = {
        "nt_xent": lambda rows: losses.nt_xent(z, temperature=t, similarity=similarity, rows=rows),
        "names": lambda rows: losses.nt_xent(z, temperature=t, similarity=similarity, ids_B=ids, negatives_KD=more,
                                             negative_ids_K=MORE_IDS, own_negatives=own, rows=rows),
        "info_nce": lambda rows: losses.info_nce(z[0], z[1], temperature=t, similarity=similarity, rows=rows),
        "moco": lambda rows: losses.info_nce(z[0], more, positive_QD=z[1], temperature=t, similarity=similarity,
                                             rows=rows),
        "clip": lambda rows: losses.clip(z[0], z[1], temperature=t, similarity=similarity, rows=rows),
        "clip names": lambda rows: losses.clip(z[0], z[1], temperature=t, similarity=similarity, ids_B=ids, rows=rows),
        "siglip": lambda rows: losses.siglip(z[0], z[1], temperature=t, bias=-t, rows=rows),
        "sup_con": lambda rows: losses.sup_con(z[0], labels, temperature=t, similarity=similarity, rows=rows),
    }  # fmt: skip
    for name, loss in cases.items():
        whole = [loss(None), *torch.autograd.grad(loss(None), (z, t))]
        parts = [
            [loss(rows), *torch.autograd.grad(loss(rows), (z, t))] for rows in (slice(0, 3), slice(3, 5), slice(5, 7))
        ]
        for one, *three in zip(whole, *parts):
            torch.testing.assert_close(sum(three), one, rtol=1e-10, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}")
