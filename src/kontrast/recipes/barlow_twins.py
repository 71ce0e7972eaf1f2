"""Barlow Twins as published. Each function returns a complete run; each number has its source.

[paper] Zbontar et al. 2021, arXiv:2103.03230.  [code] facebookresearch/barlowtwins.  [solo] vturrisi/solo-learn.
"""

from __future__ import annotations

from typing import Any

from kontrast.recipes.rules import Scale
from kontrast.settings import Settings


def imagenet() -> Settings:
    """ResNet-50, 1,000 epochs on ImageNet: 73.5 % linear top-1 ([code], README)."""
    return Settings(
        method="barlow-twins",
        encoder="resnet50",  # [paper] section 2.2
        image_size=224,  # [paper] section 2.2
        views="barlow-twins",  # [paper] section 2.2
        batch_size=2048,  # [paper] section 2.2
        epochs=1000,  # [paper] section 2.2
        optimizer="lars:byol",  # [paper] section 2.2; [code] has the form of BYOL
        lr=1.6,  # [code] 0.2 x 2048 / 256
        weight_decay=1e-6,  # [code]; the paper says 1.5e-6
        warmup=10,  # [paper] section 2.2
        schedule="cosine:end=0.001",  # [code]
        zero_init=True,  # [code] zero_init_residual
        set=["width=8192", "hidden=8192", "off_diagonal_weight=0.0051"],  # [paper] section 2.2, [code]
    )


def cifar10() -> Settings:
    """ResNet-18: 92.1 % linear top-1 after 1,000 epochs ([solo])."""
    return Settings(
        method="barlow-twins",
        encoder="resnet18",  # [solo]
        image_size=32,
        views="simclr-cifar",  # [solo] has its own crops, blur off; this is the nearest
        batch_size=256,  # [solo]
        epochs=1000,  # [solo]
        optimizer="lars:apex,clip,trust=0.02",  # [solo]
        lr=0.3,  # [solo]
        weight_decay=1e-4,  # [solo]
        warmup=10,  # [solo]
        schedule="cosine",  # [solo]
        zero_init=False,  # [solo] torchvision's default
        set=["width=2048", "hidden=2048", "off_diagonal_weight=0.0051"],  # [solo], whose loss is also scaled by 0.1
    )


def rules(scale: Scale) -> dict[str, tuple[Any, str]]:
    """What the paper's numbers become in small runs."""
    width = scale.own.get("width", 512)
    balance = scale.paper["off_diagonal_weight"] * scale.paper["width"]
    return {
        "width": (width, "enough for small nets"),
        "hidden": (512, "enough for small nets"),
        "off_diagonal_weight": (round(balance / width, 4), f"times the width it is {balance:.3g}, as published"),
        "bias_rate": (1.0, "Adam finds each parameter's own scale; the published factor is for LARS"),
    }


RECIPES = {"imagenet": imagenet, "cifar10": cifar10}
