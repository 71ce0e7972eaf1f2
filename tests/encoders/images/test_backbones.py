"""Other people's backbones: their features, stems and weights."""

from __future__ import annotations

import json

import pytest
import torch
import torchvision
from torch import Tensor, nn

from kontrast import keyed
from kontrast.encoders.images.open import image_encoder


def pictures(size: int, channels: int = 3, rows: int = 2) -> Tensor:
    return torch.randn(rows, channels, size, size, generator=keyed.generator("test pictures"))


@pytest.mark.parametrize(
    ("name", "size", "channels", "width"),
    [
        ("small", 8, 1, 128),
        ("resnet18", 32, 3, 512),
        ("resnet26", 32, 3, 2048),
        ("torchvision:resnet18", 32, 1, 512),
        ("mnasnet0_5", 64, 3, 1280),  # torchvision alone has it
        ("vit_tiny_patch16_224", 32, 1, 192),
        ("mobilenetv3_small_050", 48, 3, 1024),
    ],
)
def test_features_of_any_backbone(name: str, size: int, channels: int, width: int) -> None:
    encoder = image_encoder(name, channels=channels, image_size=size, seed=0)
    assert encoder.training
    assert encoder(pictures(size, channels)).shape == (2, width)
    assert encoder.width == width
    again = image_encoder(**json.loads(json.dumps(encoder.spec)), seed=1)
    again.load_state_dict(encoder.state_dict())
    x = pictures(size, channels)
    assert torch.equal(again.eval()(x), encoder.eval()(x))


@pytest.mark.parametrize("library", ["", "torchvision:"])
def test_small_pictures_get_the_cifar_stem(library: str) -> None:
    for size, stem in ((64, "cifar"), (65, "imagenet")):
        encoder = image_encoder(f"{library}resnet18", image_size=size, seed=0)
        assert encoder.spec["stem"] == stem
        assert str(size) in encoder.messages[0]
        first = encoder.net.conv1
        assert (first.kernel_size, first.stride) == (((3, 3), (1, 1)) if stem == "cifar" else ((7, 7), (2, 2)))
        sizes: list[int] = []
        encoder.net.layer4.register_forward_hook(lambda _module, _inputs, y, sizes=sizes: sizes.append(y.shape[-1]))
        encoder(pictures(size))
        assert sizes == [-(-size // (8 if stem == "cifar" else 32))]
    assert image_encoder("resnet18", image_size=32, seed=0, stem="imagenet").spec["stem"] == "imagenet"


def test_an_unchanged_torchvision_resnet_computes_what_torchvision_computes() -> None:
    ours = image_encoder("torchvision:resnet18", image_size=96, seed=0)
    theirs = torchvision.models.resnet18(weights=None)
    theirs.fc = nn.Identity()
    theirs.load_state_dict(ours.net.state_dict())
    x = pictures(96)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_a_stem_of_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="stem must be"):
        image_encoder("resnet18", image_size=32, seed=0, stem="deep")
