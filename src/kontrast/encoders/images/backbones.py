"""Other people's picture networks by name, without their classifier: timm's and torchvision's.

Both libraries take seconds to import, so they come when a network of theirs is asked for.

Shapes: B pictures, C channels, h x w pixels, H features.
"""

from __future__ import annotations

import difflib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import nn

from kontrast.encoders import hub
from kontrast.encoders.images.training_checkpoints import SUFFIXES, refused
from kontrast.errors import Unfit

RESNETS = ("timm.models.resnet", "torchvision.models.resnet")  # modules whose ResNets we know


def backbone(name: str, channels: int, image_size: int, pretrained: bool, **options: Any) -> nn.Module:
    """The network of this name with its classifier off. timm wins a clash; "torchvision:NAME" settles it.

    options: further arguments of the library's own constructor.

    Raises Unfit for an unknown name, for weights that cannot be had, or when it cannot be built for such pictures.
    """
    known(name)
    build = from_timm if library_of(name) == "timm" else from_torchvision
    plain = name.removeprefix("torchvision:")
    try:
        with hub.within_reach() if pretrained else nullcontext():
            return build(plain, channels, image_size, pretrained, **options)
    except OSError as error:
        raise Unfit(
            f'The published weights of "{name}" have to be fetched from the internet, and that failed. Leave '
            "--pretrained out for random weights, or give a local folder with a model: --encoder FOLDER."
        ) from error
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise Unfit(
            f'The encoder "{name}" cannot be built for {image_size} x {image_size} pictures: {error}'
        ) from error


def known(name: str) -> None:
    """Unfit, with the nearest one, for a name that no library has; a file of weights is told apart."""
    if Path(name).suffix in SUFFIXES and Path(name).is_file():
        raise refused(Path(name))
    theirs = _torchvision_names()
    if library_of(name) == "timm" or name.removeprefix("torchvision:") in theirs:
        return
    import timm

    every = ["small", *timm.list_models(), *theirs, *(f"torchvision:{one}" for one in theirs)]
    near = difflib.get_close_matches(name, every, n=1, cutoff=0.0)
    raise Unfit(f'There is no encoder "{name}"; the nearest name is "{near[0]}".')


def library_of(name: str) -> str:
    """Whose network this name means: "timm" if timm has it, else "torchvision", which must be asked whether it does."""
    import timm

    return "timm" if timm.is_model(name) else "torchvision"


def _torchvision_names() -> list[str]:
    import torchvision

    return torchvision.models.list_models(module=torchvision.models)  # type: ignore[no-any-return]


def from_timm(name: str, channels: int, image_size: int, pretrained: bool, **more: Any) -> nn.Module:
    """timm's network without a classifier, pooled."""
    import timm

    options: dict[str, Any] = {**more, "num_classes": 0, "in_chans": channels}
    published = timm.get_pretrained_cfg(name)
    if published is not None and published.fixed_input_size:  # a ViT's positions are made for one size
        options.setdefault("img_size", image_size)
    return timm.create_model(name, pretrained=pretrained, **options)  # type: ignore[no-any-return]


def from_torchvision(name: str, channels: int, image_size: int, pretrained: bool, **more: Any) -> nn.Module:
    """torchvision's network without its last Linear, and with a first convolution for this many channels."""
    import torchvision

    options: dict[str, Any] = {**more, "weights": "DEFAULT" if pretrained else None}
    if name.startswith("vit_"):
        options["image_size"] = image_size
    if name in ("googlenet", "inception_v3"):
        if pretrained:
            raise ValueError("its published weights expect pixels scaled in another way")
        options |= {"aux_logits": False, "init_weights": True}
    net = torchvision.models.get_model(name, **options)
    if channels != 3:
        if pretrained:
            raise ValueError(f"its published weights take 3 channels, not {channels}")
        at, first = next((at, m) for at, m in net.named_modules() if isinstance(m, nn.Conv2d))
        fresh = nn.Conv2d(
            channels,
            first.out_channels,
            first.kernel_size,  # type: ignore[arg-type]
            first.stride,  # type: ignore[arg-type]
            first.padding,  # type: ignore[arg-type]
            bias=first.bias is not None,
        )
        nn.init.kaiming_normal_(fresh.weight, mode="fan_out", nonlinearity="relu")
        net.set_submodule(at, fresh)
    at, last = [(at, m) for at, m in net.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    if not isinstance(last, nn.Linear):
        raise ValueError("its classifier is a convolution, so it has no feature vector")
    net.set_submodule(at, nn.Identity())
    return net  # type: ignore[no-any-return]


def is_resnet(net: nn.Module) -> bool:
    """Whether the network begins with the 7x7 (or deep) stem and max-pool of a ResNet."""
    return _is(net, "ResNet")


def _is(module: nn.Module, name: str) -> bool:
    """Whether it is a class of this name, or of one derived from it, in either library's ResNets; without importing."""
    return any(base.__name__ == name and base.__module__ in RESNETS for base in type(module).__mro__)


def put_cifar_stem(net: nn.Module, channels: int) -> None:
    """A 3x3 convolution of stride 1 and no max-pool in place of a ResNet's stem (He 2016, section 4.2)."""
    width = next(m.num_features for m in net.children() if isinstance(m, nn.BatchNorm2d))
    net.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    net.maxpool = nn.Identity()


def scale_last_norms(net: nn.Module, scale: float) -> None:
    """Set the last BatchNorm scale of each residual block; at 0 the block begins as the identity (Goyal 2017)."""
    for block in net.modules():
        if _is(block, "BasicBlock"):
            nn.init.constant_(block.get_parameter("bn2.weight"), scale)
        elif _is(block, "Bottleneck"):
            nn.init.constant_(block.get_parameter("bn3.weight"), scale)
