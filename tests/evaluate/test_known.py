"""How much of the first features is still read from others."""

import pytest
import torch

from kontrast.evaluate.known import known


def cloud(rows=400, width=24, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=draw) * torch.linspace(2, 0.2, width)


def test_turned_scaled_and_widened_features_tell_all():
    first = cloud()
    turn, _ = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(1)))
    assert known(first, first) == pytest.approx(1.0)
    assert known(first, 7 * first @ turn + 3) > 0.99
    assert known(first, torch.cat([first, 0.01 * cloud(seed=5)], dim=1)) > 0.99


def test_what_is_lost_is_counted():
    first = cloud()
    half = first.clone()
    half[:, :12] = 0  # the directions with most of the spread
    shares = [known(first, new) for new in (first, first + 0.5 * cloud(seed=2), half, cloud(seed=3))]
    assert shares == sorted(shares, reverse=True)
    assert 0.5 < shares[1] < 0.95 and shares[2] < 0.4 and shares[3] < 0.1


def test_features_that_are_nothing_tell_nothing():
    first = cloud()
    assert known(first, torch.zeros(400, 3)) < 0.01
    assert known(first, torch.full((400, 3), float("nan"))) == 0.0


def test_too_few_items_are_refused():
    with pytest.raises(ValueError, match="at least 4 items"):
        known(torch.zeros(3, 2), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="at least 4 items"):
        known(torch.zeros(5, 2), torch.zeros(6, 2))
