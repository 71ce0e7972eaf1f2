"""Right where it is hard: low temperature, half precision, zero and equal rows, one dominant pair, close points."""

import math

import pytest
import torch
from tests.losses.loss_cases import SIMILARITIES, made, oracles

from kontrast import losses, similarity
from kontrast.losses.engine import tiled

EPS = torch.finfo(torch.float32).eps


@pytest.mark.parametrize("kind", SIMILARITIES)
@pytest.mark.parametrize("temperature", [1.0, 0.05, 0.01, 0.001])
def test_float32_is_within_its_bound(engine, kind, temperature):
    """|float32 - float64| <= 8 eps max|s| / T for the loss, 64 eps max|s| / T relative for the gradient."""
    z = (made(1, 40, 16) + 0.5 * made(2, 40, 16)).float()
    wide = z.double().requires_grad_()
    narrow = z.clone().requires_grad_()
    largest = float(similarity.table(z.flatten(0, 1), z.flatten(0, 1), kind).abs().max())
    one = losses.nt_xent(wide, temperature=temperature, similarity=kind, reduction="none")
    two = losses.nt_xent(narrow, temperature=temperature, similarity=kind, reduction="none")
    bound = 8 * EPS * max(1.0, largest / temperature)
    assert float((one - two).abs().max().detach()) <= bound
    one.mean().backward()
    two.mean().backward()
    assert float((wide.grad - narrow.grad).abs().max() / wide.grad.abs().max()) <= 8 * bound
    assert float(two.detach().min()) >= 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", SIMILARITIES)
def test_half_precision_rows_are_computed_in_float32(dtype, kind):
    z = made(2, 20, 8).to(dtype).requires_grad_()
    loss = losses.nt_xent(z, temperature=0.05, similarity=kind)
    exact = losses.nt_xent(z.detach().float(), temperature=0.05, similarity=kind)
    assert loss.dtype == torch.float32 and float(loss.detach()) == float(exact)
    loss.backward()
    assert z.grad.dtype == dtype and bool(z.grad.isfinite().all())
    both = losses.clip(z[0], z[1].float(), temperature=0.05, similarity=kind)
    assert both.dtype == torch.float32


def test_autocast_changes_nothing():
    z = made(2, 20, 8, dtype=torch.float32).requires_grad_()
    plain = losses.nt_xent(z, temperature=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = losses.nt_xent(z, temperature=0.05)
        (gradient,) = torch.autograd.grad(inside, z)
        barlow = losses.barlow_twins(z[0], z[1])
    assert float(inside.detach()) == float(plain.detach())
    assert float(barlow.detach()) == float(losses.barlow_twins(z[0], z[1]).detach())
    assert torch.equal(gradient, torch.autograd.grad(plain, z)[0])


@pytest.mark.parametrize("kind", SIMILARITIES)
@pytest.mark.parametrize("temperature", [0.5, 0.001])
def test_degenerate_rows_stay_finite_and_right(engine, kind, temperature):
    zeros, twins = made(2, 6, 4), made(2, 6, 4)
    zeros[:, 2] = 0.0
    zeros[1, 3] = 0.0
    twins[0, 1] = twins[1, 4] = twins[1, 5] = twins[0, 0]
    far = made(2, 6, 4)
    far[1, 2] = 100 * far[0, 2]
    for z in (zeros, twins, far, torch.ones(2, 6, 4).double()):
        for dtype in (torch.float64, torch.float32):
            x = z.to(dtype, copy=True).requires_grad_()
            loss = losses.nt_xent(x, temperature=temperature, similarity=kind, reduction="none")
            by_hand = torch.from_numpy(oracles.nt_xent(x.detach().double().numpy(), temperature, kind))
            top = float(similarity.table(z.flatten(0, 1), z.flatten(0, 1), kind).abs().max()) / temperature
            if kind == "squared_euclidean":
                top = float(2 * z.square().sum(-1).max()) / temperature
            slack = 1e-12 if dtype == torch.float64 else 16 * EPS
            assert float((loss - by_hand).abs().max().detach()) <= slack * max(1.0, top)
            loss.mean().backward()
            assert bool(x.grad.isfinite().all())


def test_close_points_of_a_far_cloud_have_right_distances(engine):
    """Products alone would lose all digits of a distance of 1e-4 at 10 from the centre."""
    cloud = 10 + 1e-4 * made(2, 12, 3)
    cloud[:, :4] -= 20
    exact = losses.nt_xent(cloud, temperature=1e-3, similarity="euclidean", reduction="none")
    near = losses.nt_xent(cloud.float(), temperature=1e-3, similarity="euclidean", reduction="none")
    by_hand = oracles.nt_xent(cloud.float().double().numpy(), 1e-3, "euclidean")
    torch.testing.assert_close(near.double(), torch.from_numpy(by_hand), rtol=0, atol=2e-3)
    assert float(exact.min()) > 0


def test_a_fixed_shift_would_underflow_here():
    """At T = 0.01 every exp(s - 1/T) of an unrelated row is below float32's smallest number; the loss is right."""
    z = made(2, 64, 1024, dtype=torch.float32)
    ours = losses.nt_xent(z, temperature=0.01, decoupled=True)
    torch.testing.assert_close(
        ours.double(), losses.nt_xent(z.double(), temperature=0.01, decoupled=True), rtol=1e-5, atol=0
    )


def test_more_queries_than_one_tile_at_real_size():
    """Several real tiles, half a table, against one dense float64 cross-entropy."""
    z = made(2, 1100, 24, dtype=torch.float32).requires_grad_()
    loss = losses.nt_xent(z, temperature=0.1)
    unit = torch.nn.functional.normalize(z.detach().double().flatten(0, 1), dim=1).requires_grad_()
    table = (unit @ unit.T / 0.1).fill_diagonal_(-math.inf)
    dense = torch.nn.functional.cross_entropy(table, torch.arange(2200).roll(1100))
    assert float(loss.detach()) == pytest.approx(float(dense.detach()), abs=1e-5)
    (through,) = torch.autograd.grad(loss, z)
    (slope,) = torch.autograd.grad(dense, unit)
    norm = z.detach().double().flatten(0, 1).norm(dim=1, keepdim=True)
    unit = unit.detach()
    slope = (slope - unit * (unit * slope).sum(1, keepdim=True)) / norm
    assert float((through.flatten(0, 1) - slope).abs().max() / slope.abs().max()) < 1e-5


def test_backward_twice_and_after_each_other(engine):
    z = made(2, 7, 4).requires_grad_()
    loss = losses.nt_xent(z, temperature=0.1)
    (first,) = torch.autograd.grad(loss, z, retain_graph=True)
    (again,) = torch.autograd.grad(loss, z)
    assert torch.equal(first, again)


def test_second_derivatives_are_refused_in_words(engine):
    z = made(2, 7, 4).requires_grad_()
    (first,) = torch.autograd.grad(losses.nt_xent(z, temperature=0.1), z, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.square().sum().backward()


def test_nothing_of_the_size_of_the_table_is_kept(monkeypatch):
    """What autograd saves at N = 3000 is far below the table's 4 N^2 entries."""
    monkeypatch.setattr(tiled, "KEEP_BYTES", 0)
    saved = []
    z = made(2, 3000, 8, dtype=torch.float32).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.numel()) or x, lambda x: x):
        losses.nt_xent(z, temperature=0.1)
    assert sum(saved) < 20 * z.numel()


def test_equal_calls_give_equal_bits():
    z = made(2, 700, 16, dtype=torch.float32)
    assert float(losses.nt_xent(z, temperature=0.1)) == float(losses.nt_xent(z, temperature=0.1))
