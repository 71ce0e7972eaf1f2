"""Small batches whole: both forms against the table written out, temperature and rows of zeros too."""

import math

import torch

from kontrast import keyed
from kontrast.losses.engine import small_batch
from kontrast.losses.engine.tiles import Stripes


def drawn(*shape):
    return torch.randn(*shape, generator=keyed.generator("small batch", *shape), dtype=torch.float64)


def decoupled(first, second, scale, positive, out):
    """ln sum over what is left minus the positive, for each row of first against second."""
    unit = [x / x.norm(dim=1, keepdim=True).clamp(min=1e-300) for x in (first, second)]
    table = scale * unit[0] @ unit[1].T
    rows = torch.arange(len(first))
    return table.masked_fill(out, -torch.inf).logsumexp(1) - table[rows, positive]


def agree(ours, theirs, leaves):
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    weight = torch.linspace(1, 2, len(ours), dtype=torch.float64)
    both = [torch.autograd.grad((z * weight).sum(), leaves, retain_graph=True) for z in (ours, theirs)]
    for one, two in zip(*both):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-10)


def test_both_views_is_the_table_of_all_rows():
    x, scale = drawn(10, 4).requires_grad_(), torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    rows = torch.arange(10)
    out = (rows[:, None] - rows) % 5 == 0
    wanted = decoupled(x, x, scale, (rows + 5) % 10, out)
    agree(small_batch.both_views(x, scale, [Stripes(5)]), wanted, (x, scale))


def test_both_ways_is_each_among_the_other():
    a, b = drawn(6, 4).requires_grad_(), drawn(6, 3 + 1).requires_grad_()
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    names = torch.tensor([0, 1, 0, 2, 3, 4])
    out = names[:, None] == names
    rows = torch.arange(6)
    wanted = torch.cat([decoupled(a, b, scale, rows, out), decoupled(b, a, scale, rows, out)])
    agree(small_batch.both_ways(a, b, scale, [(names, names)]), wanted, (a, b, scale))


def test_what_fits():
    most = small_batch.LARGEST_ROWS
    assert small_batch.fits(most, 10.0) and not small_batch.fits(most + 1, 10.0)
    assert not small_batch.fits(8, None) and not small_batch.fits(8, small_batch.LARGEST_SCALE + 1)
    assert math.exp(small_batch.LARGEST_SCALE) * most < torch.finfo(torch.float32).max


def test_a_row_of_zeros_gets_no_gradient():
    x = torch.cat([torch.zeros(1, 4, dtype=torch.float64), drawn(7, 4)]).requires_grad_()
    small_batch.both_views(x, 1.0, [Stripes(4)]).sum().backward()
    assert not x.grad[0].any() and bool(x.grad.isfinite().all())
