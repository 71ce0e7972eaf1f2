"""Picture encoders by name: shapes, stems, keyed weights, and the sentences for what cannot be had."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from kontrast import keyed
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Unfit


def pictures(size: int, channels: int = 3, rows: int = 2) -> Tensor:
    return torch.randn(rows, channels, size, size, generator=keyed.generator("test pictures"))


def test_the_small_net_is_exactly_the_promised_one() -> None:
    encoder = image_encoder("small", channels=3, image_size=32, seed=0)
    shapes = [tuple(m.weight.shape) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == [(16, 3, 3, 3), (16, 16, 3, 3), (32, 16, 3, 3), (32, 32, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3)]
    kinds = [type(m).__name__ for m in encoder.net]
    block, halved = ["Conv2d", "BatchNorm", "ReLU"], ["Conv2d", "BatchNorm", "MaxPool2d", "ReLU"]
    assert kinds == [*(block + halved) * 2, *block * 2, "AdaptiveAvgPool2d", "Flatten"]
    assert encoder.width == 128
    sizes: list[tuple[int, ...]] = []
    encoder.net[14].register_forward_hook(lambda _module, _inputs, y: sizes.append(tuple(y.shape)))
    assert encoder(pictures(32)).shape == (2, 128)
    assert sizes == [(2, 64, 8, 8)]


def test_the_max_of_the_relus_is_the_relu_of_the_max() -> None:
    """The small net pools before its ReLUs; written the usual way round it has the same bits, gradients too."""
    net = image_encoder("small", channels=3, image_size=32, seed=0).net
    usual = list(copy.deepcopy(net))
    for i, module in enumerate(net):
        if isinstance(module, nn.MaxPool2d):
            usual[i : i + 2] = usual[i + 1], module
    pixels = pictures(32, rows=5)
    values = []
    for each in (net, nn.Sequential(*usual)):
        each(pixels).square().sum().backward()
        values.append([each(pixels), *(weight.grad for weight in each.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*values, strict=True))


def test_zero_init_makes_residual_blocks_begin_as_identities() -> None:
    for name in ("resnet26", "torchvision:resnet18"):
        for zero_init, scale in ((True, 0.0), (False, 1.0)):
            net = image_encoder(name, image_size=32, seed=0, zero_init=zero_init).net
            block = net.layer2[1]
            last = block.bn3 if name == "resnet26" else block.bn2
            assert (last.weight == scale).all()
            assert (block.bn1.weight == 1).all()


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("vit_tiny_patch16_224", 8, "8 x 8 pictures"),  # smaller than one patch
        ("torchvision:squeezenet1_0", 64, "no feature vector"),
    ],
)
def test_pictures_that_an_encoder_cannot_take_are_told(name: str, size: int, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        image_encoder(name, image_size=size, seed=0)
