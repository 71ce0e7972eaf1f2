"""Barlow Twins, SwAV's swapped prediction and codes, BYOL, margin, alignment, uniformity, against the oracles."""

import math

import numpy as np
import pytest
import torch
from loss_cases import made, oracles

from kontrast import losses


def close(ours, oracle, tolerance=1e-10):
    np.testing.assert_allclose(ours.detach().numpy(), np.asarray(oracle), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("temperature", "sigma"), [(0.5, 0.5), (0.1, 0.2)])
def test_dclw_weighs_its_positives(engine, temperature, sigma):
    z, ids = made(2, 7, 4), [0, 1, 2, 3, 4, 4, 6]
    for names in (None, ids):
        said = {"temperature": temperature, "sigma": sigma, "ids_B": None if names is None else torch.tensor(names)}
        close(losses.dclw(z, reduction="none", **said), oracles.dclw(z.numpy(), temperature, sigma, names))
    leaf = z.clone().requires_grad_()
    loss = losses.dclw(leaf, temperature=temperature, sigma=sigma)
    (slope,) = torch.autograd.grad(loss, leaf)
    expected = oracles.slope(lambda x: oracles.dclw(x, temperature, sigma).mean(), z.numpy())
    np.testing.assert_allclose(slope.numpy(), expected, rtol=1e-4, atol=1e-6)
    parts = [losses.dclw(leaf, temperature=temperature, sigma=sigma, rows=rows) for rows in (slice(0, 3), slice(3, 7))]
    torch.testing.assert_close(sum(parts), loss)
    torch.testing.assert_close(torch.autograd.grad(sum(parts), leaf)[0], slope)


def test_dclw_of_equally_close_pairs_is_the_decoupled_loss():
    """Every weight is 1; so at equal similarities it costs what the decoupled loss costs."""
    same = made(1, 6, 4).expand(2, 6, 4)
    decoupled = losses.nt_xent(same, temperature=0.2, decoupled=True)
    torch.testing.assert_close(losses.dclw(same, temperature=0.2), decoupled)
    equal = losses.dclw(torch.ones(2, 6, 4), temperature=0.2)
    assert float(equal) == pytest.approx(losses.chance("dclw", batch=6), abs=1e-5)


@pytest.mark.parametrize(("B", "D"), [(4, 9), (9, 4), (2, 2), (7, 7)])
def test_barlow_twins_in_both_forms(engine, B, D):
    first, second = made(B, D).requires_grad_(), made(B, D, key="second").requires_grad_()
    ours = losses.barlow_twins(first, second, off_diagonal_weight=0.3)
    close(ours, oracles.barlow_twins(first.detach().numpy(), second.detach().numpy(), 0.3), 1e-9)
    slope = oracles.slope(lambda x: oracles.barlow_twins(x, second.detach().numpy(), 0.3), first.detach().numpy())
    ours.backward()
    np.testing.assert_allclose(first.grad.numpy(), slope, rtol=1e-4, atol=1e-5)
    for rows in (None, slice(1, B)):
        assert torch.autograd.gradcheck(
            lambda a, b, rows=rows: losses.barlow_twins(a, b, off_diagonal_weight=0.3, rows=rows), (first, second)
        )


@pytest.mark.parametrize(("B", "D"), [(5, 11), (11, 5)])
def test_barlow_twins_shares_add_up(engine, B, D):
    first, second = made(B, D).requires_grad_(), made(B, D, key="second")
    whole = losses.barlow_twins(first, second)
    parts = [losses.barlow_twins(first, second, rows=rows) for rows in (slice(0, 1), slice(1, 3), slice(3, B))]
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(torch.autograd.grad(sum(parts), first), torch.autograd.grad(whole, first))


def test_barlow_twins_of_identical_views_has_no_on_diagonal_loss():
    x = made(400, 3)
    assert float(losses.barlow_twins(x, 5 * x + 2, off_diagonal_weight=0.0)) < 1e-8


def test_barlow_forms_agree_in_float32_at_size():
    first, second = made(96, 512, dtype=torch.float32), made(96, 512, key="second", dtype=torch.float32)
    wide = losses.barlow_twins(first.double(), second.double())
    torch.testing.assert_close(losses.barlow_twins(first, second).double(), wide, rtol=1e-5, atol=0)


def test_sinkhorn_is_swavs():
    scores = torch.tanh(made(12, 5))
    close(losses.sinkhorn(scores), oracles.sinkhorn(scores.numpy(), 0.05, 3))
    close(losses.sinkhorn(scores, epsilon=0.2, iterations=1), oracles.sinkhorn(scores.numpy(), 0.2, 1))
    queue = torch.tanh(made(8, 5, key="queue"))
    joined = oracles.sinkhorn(torch.cat([queue, scores]).numpy(), 0.05, 3)
    close(losses.sinkhorn(scores, queue_scores_NK=queue), joined[8:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_sinkhorn_balances_and_stays_finite(dtype):
    scores = torch.where(made(64, 8) > 0, 1.0, -1.0).to(dtype)
    codes = losses.sinkhorn(scores, iterations=200)
    tolerance = 1e-5 if codes.dtype == torch.float32 else 1e-12
    torch.testing.assert_close(codes.sum(1), torch.ones(64, dtype=codes.dtype), rtol=tolerance, atol=0)
    torch.testing.assert_close(codes.sum(0), torch.full((8,), 8.0, dtype=codes.dtype), rtol=2e-2, atol=0)


@pytest.mark.parametrize(("V", "A"), [(2, 2), (5, 2), (3, 1)])
def test_swapped_prediction(V, A):
    scores = made(V, 6, 5).requires_grad_()
    codes = torch.stack([losses.sinkhorn(made(6, 5, key=f"code {a}")) for a in range(A)])
    ours = losses.swapped_prediction(scores, codes, temperature=0.1, reduction="none")
    close(ours, oracles.swapped_prediction(scores.detach().numpy(), codes.numpy(), 0.1))
    assert torch.autograd.gradcheck(lambda s: losses.swapped_prediction(s, codes, temperature=0.4), (scores,))
    parts = [
        losses.swapped_prediction(scores, codes, temperature=0.1, rows=rows) for rows in (slice(0, 4), slice(4, 6))
    ]
    torch.testing.assert_close(sum(parts), ours.mean())


def test_byol():
    p, z = made(6, 4), made(6, 4, key="target")
    close(losses.byol(p, z, reduction="none"), oracles.byol(p.numpy(), z.numpy()))
    assert float(losses.byol(p, 3 * p)) == pytest.approx(0, abs=1e-12)
    assert float(losses.byol(p, -p)) == pytest.approx(4)
    parts = [losses.byol(p, z, rows=rows) for rows in (slice(0, 5), slice(5, 6))]
    torch.testing.assert_close(sum(parts), losses.byol(p, z))
    assert torch.autograd.gradcheck(losses.byol, (p.requires_grad_(), z.requires_grad_()))


@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
def test_margin(similarity):
    first, second, similar = made(8, 4) / 2, made(8, 4, key="second") / 2, made(8, key="similar") > 0
    for margin in (0.5, 2.0):
        ours = losses.margin(first, second, similar, margin=margin, similarity=similarity, reduction="none")
        close(ours, oracles.margin(first.numpy(), second.numpy(), similar.tolist(), margin, similarity))
    assert torch.autograd.gradcheck(
        lambda a, b: losses.margin(a, b, similar, margin=2.0, similarity=similarity),
        (first.requires_grad_(), second.requires_grad_()),
    )
    same = torch.ones(8, 4, requires_grad=True)
    losses.margin(same, torch.ones(8, 4), similar, similarity=similarity).backward()
    assert bool(same.grad.isfinite().all())


def test_alignment_and_uniformity(engine):
    first, second = made(9, 4), made(9, 4, key="second")
    for exponent in (1.0, 2.0, 3.0):
        close(losses.alignment(first, second, exponent=exponent, reduction="none"),
              oracles.alignment(first.numpy(), second.numpy(), exponent))  # fmt: skip
    for t in (2.0, 7.0):
        close(losses.uniformity(first, t=t), oracles.uniformity(first.numpy(), t))
    assert float(losses.uniformity(torch.ones(5, 3))) == pytest.approx(0, abs=1e-6)  # collapse
    assert torch.autograd.gradcheck(losses.uniformity, (first.requires_grad_(),))


def test_uniform_rows_cost_the_chance_value():
    spread = losses.uniformity(made(3000, 128))
    assert float(spread) == pytest.approx(losses.chance("uniformity", width=128), abs=2e-3)
    assert losses.chance("uniformity", width=128) == pytest.approx(-3.94, abs=5e-3)


@pytest.mark.parametrize("width", [2, 3])
def test_uniformity_chance_is_the_integral(width):
    angles = (np.arange(20000) + 0.5) * math.pi / 20000
    density = np.sin(angles) ** (width - 2)
    mean = (np.exp(-2 * (2 - 2 * np.cos(angles))) * density).sum() / density.sum()
    assert losses.chance("uniformity", width=width) == pytest.approx(math.log(mean), abs=1e-6)
