"""BatchNorm in groups: torch's own BatchNorm, one per group, is the oracle; two processes must be one.

Run as a program (`test_norm.py RANK FOLDER`) this file is one of the two processes.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kontrast import keyed
from kontrast.encoders import norm
from kontrast.encoders.norm import BatchNorm, assign, convert, shuffled, still

CASES = ((1, False), (2, False), (4, True))  # (groups, keyed)
ROWS = (5, 8)  # of the two processes; 13 rows in all, so that groups are uneven too
CPU = torch.device("cpu")


def draw(*shape: int, key: str = "x") -> Tensor:
    return torch.randn(shape, generator=keyed.generator("test norm", key), dtype=torch.float64)


def net() -> nn.Sequential:
    """Two norms with something between them, so that the gradient of the first crosses processes through the second."""
    conv = nn.Conv2d(3, 6, 3, dtype=torch.float64)
    line = nn.Linear(6, 4, dtype=torch.float64)
    with torch.no_grad():
        for number, parameter in enumerate([*conv.parameters(), *line.parameters()]):
            parameter.copy_(draw(*parameter.shape, key=f"weight {number}"))
    return nn.Sequential(
        conv, BatchNorm(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), line, BatchNorm(4)
    ).double()


def oracle(layer: BatchNorm, x: Tensor, group_N: Tensor) -> Tensor:
    """One of torch's BatchNorms for each group; moves the layer's running statistics by their weighted mean."""
    y = torch.empty_like(x)
    mean = torch.zeros_like(layer.running_mean)
    var = torch.zeros_like(mean)
    for group in group_N.unique():
        mine = group_N == group
        one = (nn.BatchNorm1d if x.ndim == 2 else nn.BatchNorm2d)(len(mean), momentum=1.0, dtype=x.dtype)
        one.weight, one.bias = layer.weight, layer.bias
        y = y.masked_scatter(mine.view(-1, *[1] * (x.ndim - 1)).expand_as(x), one(x[mine]))
        mean, var = mean + one.running_mean * mine.sum() / len(x), var + one.running_var * mine.sum() / len(x)
    layer.running_mean = 0.9 * layer.running_mean + 0.1 * mean
    layer.running_var = 0.9 * layer.running_var + 0.1 * var
    return y


def through(layers: nn.Sequential, x: Tensor, group_N: Tensor) -> Tensor:
    for layer in layers:
        x = oracle(layer, x, group_N) if isinstance(layer, BatchNorm) else layer(x)
    return x


def group_numbers(rows: int, groups: int, is_keyed: bool) -> Tensor:
    place = np.arange(rows)
    if is_keyed:
        place = keyed.permuted(place, rows, "shuffle-bn", 7, 3)
    return torch.from_numpy(place * groups // rows)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


def test_one_group_is_torchs_own_to_the_bit() -> None:
    ours, theirs = BatchNorm(6), nn.BatchNorm2d(6)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for number in range(2):
        x = draw(8, 6, 5, 5, key=str(number)).float()
        assert torch.equal(ours(x), theirs(x))
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values()))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("is_keyed", [False, True])
@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_torchs_norm_of_each_group(groups: int, is_keyed: bool) -> None:
    ours, reference = convert(net(), groups=groups), net()
    x = draw(13, 3, 8, 8).requires_grad_()
    y = shuffled(ours, x, 7, 3) if is_keyed else ours(x)
    expected = through(reference, x, group_numbers(13, groups, is_keyed))
    close(y, expected)
    toward = draw(*y.shape, key="toward")
    gradients = torch.autograd.grad((y * toward).sum(), [x, *ours.parameters()])
    for ours_, theirs in zip(gradients, torch.autograd.grad((expected * toward).sum(), [x, *reference.parameters()])):
        close(ours_, theirs)
    for name, value in reference.state_dict().items():
        if "running" in name:
            close(ours.state_dict()[name], value)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    running = [subprocess.Popen([sys.executable, __file__, str(rank), str(folder)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    return folder


@pytest.mark.parametrize(("groups", "is_keyed"), CASES)
def test_two_processes_are_one(two_processes: Path, groups: int, is_keyed: bool) -> None:
    first, second = (load_file(two_processes / f"{rank} {groups}.safetensors") for rank in range(2))
    reference, x = net(), draw(sum(ROWS), 3, 8, 8).requires_grad_()
    expected = through(reference, x, group_numbers(sum(ROWS), groups, is_keyed))
    toward = draw(*expected.shape, key="toward")
    (expected * toward).sum().backward()
    close(torch.cat([first["y"], second["y"]]), expected)
    close(torch.cat([first["x"], second["x"]]), x.grad)
    for name, parameter in reference.named_parameters():
        close(first[f"gradient {name}"] + second[f"gradient {name}"], parameter.grad)
    for name, value in reference.state_dict().items():
        if "running" in name:
            close(first[name], value)
            assert torch.equal(first[name], second[name])


def one_of_two(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    mine = slice(0, ROWS[0]) if rank == 0 else slice(ROWS[0], sum(ROWS))
    for groups, is_keyed in CASES:
        layers = convert(net(), groups=groups)
        x = draw(sum(ROWS), 3, 8, 8)[mine].clone().requires_grad_()
        y = shuffled(layers, x, 7, 3) if is_keyed else layers(x)
        (y * draw(sum(ROWS), *y.shape[1:], key="toward")[mine]).sum().backward()
        kept = {"y": y.detach(), "x": x.grad, **layers.state_dict()}
        kept |= {f"gradient {name}": parameter.grad for name, parameter in layers.named_parameters()}
        save_file({name: tensor.contiguous() for name, tensor in kept.items()}, folder / f"{rank} {groups}.safetensors")
    torch.distributed.destroy_process_group()


def test_shuffled_groups_are_equal_parts_that_change_with_the_key() -> None:
    first, again, other = (assign(64, 8, CPU, 5, step) for step in (0, 0, 1))
    assert np.bincount(first).tolist() == [8] * 8
    assert (first == again).all()
    assert (first != other).any()
    assert assign(13, 4, CPU).tolist() == sorted(assign(13, 4, CPU).tolist())


def test_a_row_sees_its_group_and_no_other() -> None:
    layer, x = BatchNorm(3, groups=2).double(), draw(8, 3)
    y = layer(x)
    shuffled(layer, x, "key")
    assert torch.equal(layer(x), y)  # the shuffle is over with its pass
    moved = x.clone()
    moved[7] += 1
    changed = (layer(moved) != y).any(dim=1)
    assert changed.tolist() == [False] * 4 + [True] * 4


def test_running_statistics_stay_inside_still() -> None:
    for groups in (1, 2):
        layer, x = BatchNorm(3, groups=groups).double(), draw(8, 3)
        before = copy.deepcopy(layer.state_dict())
        with still(layer):
            y = layer(x)
        assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
        assert torch.equal(layer(x), y)
        assert not torch.equal(layer.running_mean, before["running_mean"])
        assert layer.num_batches_tracked == 1


def test_a_large_mean_costs_no_digits() -> None:
    x = (draw(64, 3, 4, 4) + 1000).float()
    y = BatchNorm(3, groups=2)(x)
    exact = convert(nn.BatchNorm2d(3).double(), groups=2)(x.double())
    assert (y - exact).abs().max() < 5e-4


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])  # plain norms; norms with fused activations
def test_converted_networks_compute_the_same(name: str) -> None:
    theirs = timm.create_model(name, num_classes=0)
    ours = convert(copy.deepcopy(theirs))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in ours.modules())
    x = draw(4, 3, 32, 32).float()
    for train in (True, False):
        # drop-out of efficientnet draws nothing at its default rate
        assert torch.equal(ours.train(train)(x), theirs.train(train)(x))


def test_with_group_norm_no_row_needs_another() -> None:
    layers = convert(net(), norm="group")
    x = draw(8, 3, 8, 8)
    close(layers(x)[:3], layers(x[:3]))
    assert not any(isinstance(m, BatchNorm) for m in layers.modules())


def test_frozen_norms_use_and_keep_running_statistics() -> None:
    layers, x = net(), draw(8, 3, 8, 8)
    layers(x)
    frozen = convert(copy.deepcopy(layers), norm="frozen")
    before = copy.deepcopy(frozen.state_dict())
    close(frozen.train()(x), layers.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in frozen.state_dict().items())


def test_moments_have_the_right_gradient() -> None:
    x = draw(4, 2, 3, 3).requires_grad_()
    mean, variance = norm._Moments.apply(x)
    close(mean, x.mean(dim=(0, 2, 3)))
    close(variance, x.var(dim=(0, 2, 3), correction=0))
    assert torch.autograd.gradcheck(norm._Moments.apply, x)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="norm must be"):
        convert(net(), norm="layer")


if __name__ == "__main__":
    one_of_two(int(sys.argv[1]), Path(sys.argv[2]))
