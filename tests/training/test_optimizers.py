"""Optimizers against transcriptions of their formulas in NumPy float64, and against torch's where torch has them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from kontrast import keyed
from kontrast.methods.method import Group
from kontrast.training import optimizers

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


def simclr(p: Array, g: Array, v: Array, *, lr: float, wd: float, adapt: bool) -> tuple[Array, Array]:
    g = g + wd * p
    ratio = 0.001 * np.linalg.norm(p) / np.linalg.norm(g) if adapt else 1.0
    v = 0.9 * v + lr * ratio * g
    return p - v, v


def byol(p: Array, g: Array, v: Array, *, lr: float, wd: float, adapt: bool) -> tuple[Array, Array]:
    g = g + wd * p
    ratio = 0.001 * np.linalg.norm(p) / np.linalg.norm(g) if adapt else 1.0
    v = 0.9 * v + ratio * g
    return p - lr * v, v


def apex(p: Array, g: Array, v: Array, *, lr: float, wd: float, adapt: bool) -> tuple[Array, Array]:
    ratio = 1.0
    if adapt:
        ratio = 0.001 * np.linalg.norm(p) / (np.linalg.norm(g) + wd * np.linalg.norm(p) + 1e-8)
    v = 0.9 * v + ratio * (g + wd * p)
    return p - lr * v, v


@pytest.mark.parametrize("rule", [simclr, byol, apex])
def test_lars_is_the_published_rule(rule: Callable[..., tuple[Array, Array]]) -> None:
    values = parameters()
    groups = grouped(values)
    trained(values, optimizers.optimizer(groups, "lars", lr=1, weight_decay=0.2, variant=rule.__name__), groups)
    expected = drawn("start")
    buffers = [np.zeros(shape) for shape in SHAPES]
    for step, rate in enumerate(RATES):
        gradients = drawn("gradient", step)
        for n, (wd, adapt, scale) in enumerate([(0.2, True, 1), (0.2, True, 1), (0.0, False, 1), (0.2, False, 0.5)]):
            expected[n], buffers[n] = rule(expected[n], gradients[n], buffers[n], lr=rate * scale, wd=wd, adapt=adapt)
    close(values, expected)


def test_where_lr_changes_the_variants_differ() -> None:
    ends = []
    for variant in optimizers.LARS_VARIANTS:
        values = parameters()
        groups = grouped(values)
        trained(values, optimizers.optimizer(groups, "lars", lr=1, weight_decay=0.2, variant=variant), groups)
        ends.append(values[0].detach())
    assert not torch.allclose(ends[0], ends[1], rtol=1e-6)
    assert not torch.allclose(ends[1], ends[2], rtol=1e-6)


@pytest.mark.parametrize("trust", [1e6, 1e-3])
def test_clip_makes_the_step_at_most_that_of_plain_sgd(trust: float) -> None:
    weight = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
    made = optimizers.optimizer(
        [Group([weight])], "lars", lr=0.5, weight_decay=0, momentum=0, variant="apex", trust=trust, clip=True
    )
    weight.grad = torch.ones(2, dtype=torch.float64)
    made.step()
    # |p| = 5, |g| = sqrt 2: lr min(trust |p| / |g| / lr, 1) g
    assert 3.0 - float(weight.detach()[0]) == pytest.approx(min(trust * 5 / math.sqrt(2), 0.5), rel=1e-6)


@pytest.mark.parametrize("variant", optimizers.LARS_VARIANTS)
def test_a_norm_of_zero_means_no_adaptation(variant: str) -> None:
    zero, still = nn.Parameter(torch.zeros(3, 3)), nn.Parameter(torch.ones(3, 3))
    zero.grad, still.grad = torch.full((3, 3), 2.0), torch.zeros(3, 3)
    optimizers.optimizer([Group([zero, still])], "lars", lr=0.5, weight_decay=0, variant=variant).step()
    assert torch.equal(zero.detach(), torch.full((3, 3), -1.0))
    assert torch.equal(still.detach(), torch.ones(3, 3))


@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.9}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        ("sgd", torch.optim.SGD, {"momentum": 0.0}),
        ("adamw", torch.optim.AdamW, {"betas": (0.9, 0.98), "eps": 1e-6}),
    ],
)
def test_sgd_and_adamw_are_torchs_plain_loops(name: str, theirs: type[torch.optim.Optimizer], options: dict) -> None:
    values, reference = parameters(), parameters()
    groups = grouped(values)
    trained(values, optimizers.optimizer(groups, name, lr=1, weight_decay=0.2, **options), groups)
    split = [(reference[:2], 0.2), (reference[2:3], 0.0), (reference[3:], 0.2)]
    other = theirs([{"params": p, "weight_decay": wd} for p, wd in split], lr=1.0, foreach=False, **options)
    trained(reference, other, groups)
    close(values, [value.detach().numpy() for value in reference])


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars", "muon"])
def test_frozen_parameters_do_not_move_or_remember(name: str) -> None:
    frozen, free = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    groups = [Group([frozen], frozen_until=2), Group([free])]
    made = optimizers.optimizer(groups, name, lr=0.1, weight_decay=0.5)
    untouched = {key: value.clone() for key, value in optimizers.tensors(made, groups).items() if ".0.0." in key}
    for step in range(3):
        frozen.grad, free.grad = torch.ones(2, 2), torch.ones(2, 2)
        optimizers.drop_frozen(groups, step)
        made.step()
        if step == 1:
            assert torch.equal(frozen.detach(), torch.ones(2, 2))
            now = optimizers.tensors(made, groups)
            assert all(torch.equal(now[key], value) for key, value in untouched.items())
            assert not torch.equal(free.detach(), torch.ones(2, 2))
    assert not torch.equal(frozen.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars", "muon"])
def test_a_restored_optimizer_goes_on_with_the_same_bits(name: str) -> None:
    values = parameters()
    groups = grouped(values)
    made = optimizers.optimizer(groups, name, lr=1, weight_decay=0.1)
    trained(values, made, groups)
    kept = {key: value.clone() for key, value in optimizers.tensors(made, groups).items()}
    copies = [nn.Parameter(value.detach().clone()) for value in values]
    fresh_groups = grouped(copies)
    fresh = optimizers.optimizer(fresh_groups, name, lr=1, weight_decay=0.1)
    optimizers.restore(fresh, fresh_groups, kept)
    trained(values, made, groups, frm=1)
    trained(copies, fresh, fresh_groups, frm=1)
    assert all(torch.equal(a, b) for a, b in zip(values, copies))


def test_restore_refuses_a_state_of_another_optimizer() -> None:
    values = parameters()
    groups = grouped(values)
    made = optimizers.optimizer(groups, "sgd", lr=1, weight_decay=0)
    kept = optimizers.tensors(made, groups)
    missing = {key: value for key, value in kept.items() if key != "optimizer.1.0.momentum_buffer"}
    with pytest.raises(ValueError, match=r"optimizer\.1\.0\.momentum_buffer"):
        optimizers.restore(made, groups, missing)
    with pytest.raises(ValueError, match="must be"):
        optimizers.restore(made, groups, kept | {"optimizer.1.0.momentum_buffer": torch.zeros(7)})


def test_unknown_names_are_refused_in_words() -> None:
    groups = grouped(parameters())
    with pytest.raises(ValueError, match=r"optimizer must be .* got 'adam'"):
        optimizers.optimizer(groups, "adam", lr=1, weight_decay=0)
    with pytest.raises(ValueError, match="variant must be one of"):
        optimizers.optimizer(groups, "lars", lr=1, weight_decay=0, variant="lamb")
