"""Picture encoders by name: our small net, any timm name, any torchvision name. Pixels in, features (B, H) out.

The classifier is taken off: the output is the pooled features. A ResNet made for 224 x 224 pictures halves a 32 x 32
picture five times, down to one pixel. So for pictures of at most 64 pixels ResNets get the stem behind every published
CIFAR figure: a 3x3 convolution of stride 1 and no max-pool.

Shapes: B pictures, C channels, h x w pixels, H features (`encoder.width`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from kontrast.encoders.images.backbones import backbone, is_resnet, library_of, put_cifar_stem, scale_last_norms
from kontrast.encoders.images.encoder import ImageEncoder, small_net
from kontrast.encoders.images.published import for_channels, of_timm, of_torchvision
from kontrast.encoders.norm import convert, normed
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit
from kontrast.preprocessing import Preprocessing

OWN = ("name", "channels", "image_size", "stem", "zero_init", "norm", "head")  # of a spec; the rest is the library's
CIFAR_STEM_UP_TO = 64  # pixels; the published CIFAR (32) and Tiny ImageNet (64) figures all use it


def image_encoder_by_name(
    name: str,
    *,
    channels: int = 3,
    image_size: int,
    seed: int,
    pretrained: bool = False,
    stem: str | None = None,
    zero_init: bool = True,
    **options: Any,
) -> ImageEncoder:
    """Build an encoder by name. The same seed gives the same weights; torch's global generator does not move.

    name        "small", a timm name, or a torchvision name ("torchvision:resnet18" where timm has that name too)
    image_size  side in pixels of the pictures it will see; decides a ResNet's stem and a ViT's tokens
    pretrained  weights from the hub of timm or torchvision; a ResNet then keeps the stem it was trained with
    stem        "cifar" or "imagenet" for ResNets; None chooses by `image_size`
    zero_init   the last BatchNorm scale of each residual block begins at 0 (SimCLR, Barlow Twins) or 1 (MoCo, SwAV)
    options     further arguments of timm's or torchvision's own constructor, such as `global_pool`

    Raises Unfit for an unknown name (naming the nearest), weights that cannot be had, and pictures it cannot take.
    """
    if stem not in (None, "cifar", "imagenet"):
        raise ValueError(f'stem must be "cifar", "imagenet" or None, got {stem!r}')
    if name == "small" and pretrained:
        raise Unfit('The encoder "small" has no published weights: leave --pretrained out.')
    messages: tuple[str, ...] = ()
    chosen = "imagenet"
    with drawn_from("encoder", seed):
        if name == "small":
            net: nn.Module = small_net(channels, image_size)
        else:
            net = backbone(name, channels, image_size, pretrained, **options)
        if is_resnet(net):
            cifar = image_size <= CIFAR_STEM_UP_TO and not pretrained
            chosen = stem or ("cifar" if cifar else "imagenet")
            messages = (_stem_in_words(chosen, image_size, pretrained),)
            if chosen == "cifar":
                put_cifar_stem(net, channels)
            if not pretrained:
                scale_last_norms(net, 0.0 if zero_init else 1.0)
    net = convert(net, norm="batch")
    spec: dict[str, Any] = {
        "name": name,
        "channels": channels,
        "image_size": image_size,
        "stem": chosen,
        "zero_init": zero_init,
        "norm": "batch",
        **options,
    }
    look = published(name, channels) if pretrained else None
    if look is not None:
        look = replace(look, size=image_size)
        messages = (*messages, f"pixels: as for the published weights, {look.in_words()}")
    return ImageEncoder(net, _width(net, name, channels, image_size), spec, messages, look)


def as_described(spec: Mapping[str, Any], *, seed: int) -> ImageEncoder:
    """The encoder that a `spec` describes, its norms too, with fresh weights."""
    own = dict(spec)
    norm, head = own.pop("norm", "batch"), own.pop("head", False)
    made: ImageEncoder = normed(image_encoder_by_name(**own, seed=seed), norm)
    if head:
        made.add_head()
    return made


def options_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Of an encoder's `spec`, what is for the library's own constructor."""
    return {name: value for name, value in spec.items() if name not in OWN}


def published(name: str, channels: int) -> Preprocessing | None:
    """How pictures are made ready for the published weights of this name; None where there are none."""
    import timm

    try:
        if library_of(name) == "timm":
            config = timm.get_pretrained_cfg(name)
            return for_channels(of_timm(config.to_dict() if config else {}, name), channels)
        return for_channels(of_torchvision(name.removeprefix("torchvision:")), channels)
    except Unfit:
        raise
    except (RuntimeError, ValueError):  # no such name, or no such tag: building it says so in a sentence
        return None


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
