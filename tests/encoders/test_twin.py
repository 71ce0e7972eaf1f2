"""The slow copy: parameters follow, buffers do not, nothing of it is trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kontrast import keyed
from kontrast.encoders.twin import Twin, keep_at


def module() -> nn.Sequential:
    made = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()
    with torch.no_grad():
        for number, parameter in enumerate(made.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=keyed.generator("twin", number)))
    return made


def test_the_twin_begins_equal_and_apart() -> None:
    online = module()
    twin = Twin(online)
    assert all(torch.equal(a, b) for a, b in zip(twin.module.state_dict().values(), online.state_dict().values()))
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    with torch.no_grad():
        online[0].weight.add_(1)
    assert not torch.equal(twin.module[0].weight, online[0].weight)
    assert all(parameter.requires_grad for parameter in online.parameters())


def test_follow_moves_parameters_by_the_formula_and_no_buffers() -> None:
    online = module()
    twin = Twin(online)
    x = torch.randn(8, 3, dtype=torch.float64, generator=keyed.generator("x"))
    online(x)
    expected = [parameter.detach().clone() for parameter in twin.parameters()]
    for step in range(5):
        with torch.no_grad():
            for parameter in online.parameters():
                parameter.add_(0.1 * (step + 1))
        twin.follow(online, keep=0.9)
        expected = [0.9 * old + 0.1 * new.detach() for old, new in zip(expected, online.parameters())]
    for parameter, wanted in zip(twin.parameters(), expected):
        torch.testing.assert_close(parameter, wanted, rtol=1e-12, atol=1e-12)
    assert (twin.module[1].running_mean == 0).all()
    assert (online[1].running_mean != 0).any()


def test_the_twin_keeps_its_own_statistics_and_gives_no_gradient() -> None:
    online = module()
    twin = Twin(online)
    x = torch.randn(8, 3, dtype=torch.float64, generator=keyed.generator("x")).requires_grad_()
    y = twin(x)
    assert not y.requires_grad
    assert (twin.module[1].running_mean != 0).any()
    assert (online[1].running_mean == 0).all()


def test_byols_momentum_goes_from_start_to_one() -> None:
    assert keep_at(0, 100, 0.99) == pytest.approx(0.99)
    assert keep_at(50, 100, 0.99) == pytest.approx(0.995)
    assert keep_at(100, 100, 0.99) == pytest.approx(1.0)
    assert keep_at(25, 100, 0.9) == pytest.approx(1 - 0.1 * (2**-0.5 + 1) / 2)
