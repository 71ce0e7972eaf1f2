"""Picture encoders by name: shapes, stems, keyed weights, and the sentences for what cannot be had."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from kontrast import keyed
from kontrast.encoders import hub
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


def test_weights_follow_the_seed_and_the_global_generator_stays() -> None:
    before = torch.get_rng_state()
    for name in ("small", "resnet18"):
        first, same, other = (image_encoder(name, image_size=32, seed=seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[key], same[key]) for key in first)
        assert all(not torch.equal(first[key], other[key]) for key in first if first[key].ndim == 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_zero_init_makes_residual_blocks_begin_as_identities() -> None:
    for name in ("resnet26", "torchvision:resnet18"):
        for zero_init, scale in ((True, 0.0), (False, 1.0)):
            net = image_encoder(name, image_size=32, seed=0, zero_init=zero_init).net
            block = net.layer2[1]
            last = block.bn3 if name == "resnet26" else block.bn2
            assert (last.weight == scale).all()
            assert (block.bn1.weight == 1).all()


def test_an_unchanged_torchvision_resnet_computes_what_torchvision_computes() -> None:
    ours = image_encoder("torchvision:resnet18", image_size=96, seed=0)
    theirs = torchvision.models.resnet18(weights=None)
    theirs.fc = nn.Identity()
    theirs.load_state_dict(ours.net.state_dict())
    x = pictures(96)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet81", '"resnet18"'), ("smal", '"small"'), ("torchvision:resnet19", '"torchvision:resnet18"')],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(Unfit, match=f'no encoder "{name}"; the nearest name is {near}'):
        image_encoder(name, image_size=32, seed=0)


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


@pytest.mark.parametrize("name", ["resnet18", "no/such-model"], ids=["pictures", "sentences"])
def test_published_weights_without_a_network_end_in_a_sentence_and_soon(name: str, tmp_path: Path) -> None:
    """A hub that does not answer: its own client would ask again and again for most of a minute."""
    program = (
        "import time\n"
        "from kontrast.encoders.images.open import image_encoder\n"
        "from kontrast.encoders.text.open import text_encoder\n"
        "from kontrast.errors import Unfit\n"
        "import huggingface_hub.file_download, timm\n"
        "began, slept, time.sleep = time.monotonic(), [], lambda seconds: slept.append(seconds)\n"
        "try:\n"
        f"    text_encoder({name!r}, seed=0, pretrained=True) if '/' in {name!r} else "
        f"image_encoder({name!r}, image_size=32, seed=0, pretrained=True)\n"
        "except Unfit as problem:\n"
        "    print(problem)\n"
        "print('asked again', len(slept), 'times; offline is', huggingface_hub.constants.HF_HUB_OFFLINE)\n"
    )
    nowhere = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    nowhere |= {"https_proxy": "", "HTTPS_PROXY": "", "http_proxy": "", "HTTP_PROXY": ""}
    told = subprocess.run([sys.executable, "-c", program], env=nowhere, capture_output=True, text=True, check=True)
    assert "--encoder FOLDER" in told.stdout and ("--pretrained" in told.stdout or "offline" in told.stdout)
    assert "asked again 0 times; offline is False" in told.stdout, "and afterwards everything is as it was"
    with pytest.raises(Unfit, match="no published weights"):
        image_encoder("small", image_size=32, seed=0, pretrained=True)


def test_something_that_listens_is_noticed() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        there = f"http://127.0.0.1:{server.getsockname()[1]}/hub"
        assert hub.answers(there)
    assert not hub.answers(there) and not hub.answers("http://127.0.0.1:notaport")


def test_norms_are_chosen_and_remembered() -> None:
    encoder = image_encoder("small", image_size=32, seed=0, norm="group")
    assert encoder.spec["norm"] == "group"
    x = pictures(32, rows=6)
    torch.testing.assert_close(encoder(x)[:2], encoder(x[:2]))


def test_a_stem_of_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="stem must be"):
        image_encoder("resnet18", image_size=32, seed=0, stem="deep")
