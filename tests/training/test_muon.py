"""Muon is the published rule, and torch's for linear layers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from kontrast import keyed
from kontrast.methods.method import Group
from kontrast.training import optimizers
from kontrast.training.muon import orthogonal

Array = npt.NDArray[np.float64]


SHAPES = ((3, 4), (2, 3, 2, 2), (4,), ())


RATES = (0.1, 0.7, 0.3, 0.0)  # the rate changes, and is 0 once, as in a warm-up


def drawn(*key: str | int) -> list[Array]:
    return [keyed.normal("test optimizers", *key, n, np.arange(math.prod(s))).reshape(s) for n, s in enumerate(SHAPES)]


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.from_numpy(value.copy())) for value in drawn("start")]


def grouped(values: list[nn.Parameter]) -> list[Group]:
    return [Group(values[:2]), Group(values[2:3], decay=False, adapt=False), Group(values[3:], adapt=False, scale=0.5)]


def trained(values: list[nn.Parameter], optimizer: torch.optim.Optimizer, groups: list[Group], frm: int = 0) -> None:
    for step, rate in list(enumerate(RATES))[frm:]:
        for parameter, gradient in zip(values, drawn("gradient", step)):
            parameter.grad = torch.from_numpy(gradient.copy())
        optimizers.set_rate(optimizer, groups, rate)
        optimizer.step()


def close(values: list[nn.Parameter], expected: list[Array]) -> None:
    for value, wanted in zip(values, expected):
        np.testing.assert_allclose(value.detach().numpy(), wanted, rtol=1e-12, atol=1e-14)


def quintic(s: Array) -> Array:
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return s


def test_muon_is_the_published_rule() -> None:
    """Through the singular values: whatever odd polynomial acts on a matrix acts on them and leaves U and V alone."""
    values = parameters()
    groups = grouped(values)
    trained(values, optimizers.named(groups, "muon", lr=1, weight_decay=0.2), groups)
    expected = drawn("start")
    first, second = ([np.zeros(shape) for shape in SHAPES] for _ in range(2))
    for step, lr in enumerate(RATES):
        for n, g in enumerate(drawn("gradient", step)):
            if n < 2:  # the two weights of `grouped`: a linear layer and a convolution
                first[n] = 0.95 * first[n] + 0.05 * g
                update = (0.95 * first[n] + 0.05 * g).reshape(len(g), -1)
                u, s, v = np.linalg.svd(update, full_matrices=False)
                step_AB = u * quintic(s / np.linalg.norm(update)) @ v * 0.2 * max(update.shape) ** 0.5
                expected[n] = expected[n] * (1 - lr * 0.2) - lr * step_AB.reshape(g.shape)
                continue
            rate, wd = (lr, 0.0) if n == 2 else (0.5 * lr, 0.2)
            first[n], second[n] = 0.9 * first[n] + 0.1 * g, 0.95 * second[n] + 0.05 * g * g
            right = first[n] / (1 - 0.9 ** (step + 1)), second[n] / (1 - 0.95 ** (step + 1))
            expected[n] = expected[n] * (1 - rate * wd) - rate * right[0] / (np.sqrt(right[1]) + 1e-8)
    close(values, expected)


@pytest.mark.parametrize("shape", [(24, 24), (64, 16), (16, 64)])
def test_muon_raises_every_direction_to_about_one(shape: tuple[int, int]) -> None:
    drawn_AB = torch.from_numpy(keyed.normal("test muon", np.arange(math.prod(shape))).reshape(shape))
    u, _, v = torch.linalg.svd(drawn_AB, full_matrices=False)
    sizes = torch.logspace(0, -2, len(u.T), dtype=torch.float64)
    raised = torch.linalg.svdvals(orthogonal(u * sizes @ v))
    assert float(raised.min()) > 0.6 and float(raised.max()) < 1.25
    assert torch.equal(orthogonal(torch.zeros(shape)), torch.zeros(shape))


def test_muon_is_torchs_for_linear_layers() -> None:
    """torch's computes in bf16: the steps agree as far as that goes."""
    mine, theirs = (nn.Parameter(torch.from_numpy(drawn("start")[0]).float()) for _ in range(2))
    groups = [Group([mine])]
    made = optimizers.named(groups, "muon", lr=0.1, weight_decay=0.2)
    peer = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.2, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        for parameter in (mine, theirs):
            parameter.grad = torch.from_numpy(drawn("gradient", step)[0]).float()
        made.step()
        peer.step()
    moved = (theirs - torch.from_numpy(drawn("start")[0])).norm()
    assert float(((mine - theirs).norm() / moved).detach()) < 0.02
