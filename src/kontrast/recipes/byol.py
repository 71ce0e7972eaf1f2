"""BYOL as published. Each function returns a complete run; each number has its source.

[paper] Grill et al. 2020, arXiv:2006.07733.  [code] deepmind-research/byol.  [solo] solo-learn, CIFAR-10.
"""

from __future__ import annotations

from typing import Any

from kontrast.recipes.rules import Scale, head_norm, twin_momentum
from kontrast.settings import Settings


def imagenet() -> Settings:
    """ResNet-50, 1,000 epochs on ImageNet: 74.3 % linear top-1 ([paper], table 1)."""
    return Settings(
        method="byol",
        encoder="resnet50",  # [paper] section 3.3
        image_size=224,  # [paper] appendix B
        views="byol",  # [paper] appendix B
        batch_size=4096,  # [paper] section 3.3
        epochs=1000,  # [paper] section 3.3
        optimizer="lars:byol",  # [paper] section 3.3; the form is that of [code]
        lr=3.2,  # [paper] 0.2 x 4096 / 256
        weight_decay=1.5e-6,  # [paper] section 3.3
        warmup=10,  # [paper] section 3.3
        schedule="cosine",  # [paper] section 3.3
        zero_init=True,  # [code] Haiku's ResNet
        set=["momentum=0.996"],  # [paper] section 3.3
    )


def cifar10() -> Settings:
    """ResNet-18: 92.6 % linear top-1 after 1,000 epochs ([solo])."""
    return Settings(
        method="byol",
        encoder="resnet18",  # [solo]
        image_size=32,
        views="simclr-cifar",  # [solo] has its own crops, blur off; this is the nearest
        batch_size=256,  # [solo]
        epochs=1000,  # [solo]
        optimizer="lars:apex,clip,trust=0.02",  # [solo]
        lr=1.0,  # [solo]
        weight_decay=1e-5,  # [solo]
        warmup=10,  # [solo]
        schedule="cosine",  # [solo]
        zero_init=False,  # [solo] torchvision's default
        set=["hidden=4096", "width=256", "momentum=0.99"],  # [solo]
    )


def rules(scale: Scale) -> dict[str, tuple[Any, str]]:
    """What the paper's numbers become in small runs."""
    return {
        "hidden": (512, "enough for small nets"),
        "head_norm": head_norm(scale.steps),
        "momentum": twin_momentum(scale.steps),
    }


RECIPES = {"imagenet": imagenet, "cifar10": cifar10}
