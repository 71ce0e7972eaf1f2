"""Picture encoders: our small net, any timm name, any torchvision name. Pixels (B, C, h, w) in, features (B, H) out.

The classifier is taken off: the output is the pooled features. A ResNet made for 224 x 224 pictures halves a 32 x 32
picture five times, down to one pixel. So for pictures of at most 64 pixels ResNets get the stem behind every published
CIFAR figure: a 3x3 convolution of stride 1 and no max-pool.

Shapes: B pictures, C channels, h x w pixels, H features (`encoder.width`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kontrast.encoders.backbones import backbone, is_resnet, put_cifar_stem, scale_last_norms
from kontrast.encoders.norm import convert
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit

CIFAR_STEM_UP_TO = 64  # pixels; the published CIFAR (32) and Tiny ImageNet (64) figures all use it


class ImageEncoder(nn.Module):
    """A backbone, and what is needed to build it again.

    width  H, the length of a feature vector
    spec   JSON values, the arguments of `image_encoder` with the stem decided (weights and seed excepted)
    said   what was decided for the user, in sentences
    """

    by_rows = True  # no picture needs another, BatchNorm excepted: a large batch may be cut

    def __init__(self, net: nn.Module, width: int, spec: dict[str, Any], said: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.net = net
        self.width = width
        self.spec = spec
        self.said = said

    def forward(self, pixels_BChw: Tensor) -> Tensor:
        features_BH: Tensor = self.net(pixels_BChw)
        return features_BH


def small_net(channels: int, image_size: int = 32) -> nn.Sequential:
    """Our net for small pictures on CPUs: 3x3 convolutions 16-16-pool-32-32-pool-64-128, each with BatchNorm and ReLU.

    H = 128 by a global average. Pictures of at most 16 pixels, where place is most of what there is to see, keep it:
    32-32-pool-64-128, then all places through one linear layer to H = 128. Takes pictures from 2 x 2 pixels on.
    """
    tiny = image_size <= 16
    layers: list[nn.Module] = []
    for width in (32, 32, 0, 64, 128) if tiny else (16, 16, 0, 32, 32, 0, 64, 128):
        if width == 0:
            layers.insert(-1, nn.MaxPool2d(2))  # before the ReLU: the same values, a quarter of its work
            continue
        conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # as the ResNets do
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels = width
    if tiny:
        places = (image_size // 2) ** 2
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * places, 128, bias=False), nn.BatchNorm1d(128))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def image_encoder(
    name: str,
    *,
    channels: int = 3,
    image_size: int,
    seed: int,
    pretrained: bool = False,
    stem: str | None = None,
    zero_init: bool = True,
    norm: str = "batch",
) -> ImageEncoder:
    """Build an encoder by name. The same seed gives the same weights; torch's global generator does not move.

    name        "small", a timm name, a torchvision name ("torchvision:resnet18" where timm has that name too), or a
                run or model folder: its own architecture and weights
    image_size  side in pixels of the pictures it will see; decides a ResNet's stem and a ViT's tokens
    pretrained  weights from the hub of timm or torchvision; a ResNet then keeps the stem it was trained with
    stem        "cifar" or "imagenet" for ResNets; None chooses by `image_size`
    zero_init   the last BatchNorm scale of each residual block begins at 0 (SimCLR, Barlow Twins) or 1 (MoCo, SwAV)
    norm        "batch", "group" or "frozen": see `norm.convert`

    Raises Unfit for an unknown name (naming the nearest), weights that cannot be had, and pictures it cannot take.
    """
    if stem not in (None, "cifar", "imagenet"):
        raise ValueError(f'stem must be "cifar", "imagenet" or None, got {stem!r}')
    if name == "small" and pretrained:
        raise Unfit('The encoder "small" has no published weights: leave --pretrained out.')
    if Path(name).is_dir():
        return _from_folder(name, channels, image_size)
    said: tuple[str, ...] = ()
    chosen = "imagenet"
    with drawn_from("encoder", seed):
        net = small_net(channels, image_size) if name == "small" else backbone(name, channels, image_size, pretrained)
        if is_resnet(net):
            cifar = image_size <= CIFAR_STEM_UP_TO and not pretrained
            chosen = stem or ("cifar" if cifar else "imagenet")
            said = (_stem_in_words(chosen, image_size, pretrained),)
            if chosen == "cifar":
                put_cifar_stem(net, channels)
            if not pretrained:
                scale_last_norms(net, 0.0 if zero_init else 1.0)
    net = convert(net, norm=norm)
    spec: dict[str, Any] = {
        "name": name, "channels": channels, "image_size": image_size,
        "stem": chosen, "zero_init": zero_init, "norm": norm,
    }  # fmt: skip
    return ImageEncoder(net, _width(net, name, channels, image_size), spec, said)


def _from_folder(folder: str, channels: int, image_size: int) -> ImageEncoder:
    from kontrast.encoders.stored import stored  # which builds what it reads by `image_encoder`

    found = stored(folder)
    if found.spec["channels"] != channels:
        raise Unfit(f"The encoder in {folder} takes {found.spec['channels']} channels; the pictures have {channels}.")
    return found.encoder(image_size)


def _stem_in_words(stem: str, image_size: int, pretrained: bool) -> str:
    if stem == "cifar":
        return f"stem: 3x3 convolution, stride 1, no max-pool (CIFAR), because pictures are {image_size} pixels wide"
    why = "the published weights were trained with it" if pretrained else f"pictures are {image_size} pixels wide"
    return f"stem: 7x7 convolution, stride 2, max-pool (ImageNet), because {why}"


@torch.no_grad()
def _width(net: nn.Module, name: str, channels: int, image_size: int) -> int:
    """H, by trying: libraries name it in several ways, and not every network takes every size."""
    net.eval()
    try:
        features = net(torch.zeros(1, channels, image_size, image_size))
    except (AssertionError, RuntimeError) as error:
        raise Unfit(f'The encoder "{name}" cannot take {image_size} x {image_size} pictures: {error}') from error
    net.train()
    if features.ndim != 2:
        raise Unfit(f'The encoder "{name}" gives {tuple(features.shape)} and not one feature vector per picture.')
    return int(features.shape[1])
