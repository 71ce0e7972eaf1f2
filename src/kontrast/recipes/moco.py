"""MoCo as published. Each function returns a complete run; each number has its source.

[v1] He et al. 2020, arXiv:1911.05722.  [code] facebookresearch/moco.
[demo] the authors' CIFAR-10 demo, branch colab-notebook of [code].
"""

from __future__ import annotations

from typing import Any

from kontrast.recipes.rules import Scale, head_norm, power_of_two, twin_momentum
from kontrast.settings import Settings


def imagenet() -> Settings:
    """v1: ResNet-50, 200 epochs on ImageNet: 60.6 % linear top-1 ([v1], table 1). Its rate falls in two steps."""
    return Settings(
        method="moco",
        encoder="resnet50",  # [v1] section 3.3
        image_size=224,  # [v1] section 3.3
        views="moco",  # [v1] section 3.3
        batch_size=256,  # [v1] section 4: 8 GPUs of 32
        epochs=200,  # [v1] section 4
        optimizer="sgd",  # [v1] section 4, momentum 0.9
        lr=0.03,  # [v1] section 4
        schedule="step",  # [v1] section 4: times 0.1 at epochs 120 and 160
        zero_init=False,  # [code] torchvision's default
        weight_decay=1e-4,  # [v1] section 4
        warmup=0,  # [code]
        temperature=0.07,  # [v1] section 3.3
        set=["queue=65536", "momentum=0.999"],  # [v1] sections 3.3 and 4.1
    )


def cifar10() -> Settings:
    """v1's linear projector, ResNet-18: 82.6 % kNN after 200 epochs ([demo], asymmetric)."""
    return Settings(
        method="moco",
        encoder="resnet18",  # [demo]
        image_size=32,
        views="simclr-cifar",  # nearest to [demo]: crops 0.2 to 1, jitter 0.4, 0.4, 0.4, 0.1, grey, no blur
        batch_size=512,  # [demo]
        epochs=200,  # [demo]
        optimizer="sgd",  # [demo]
        lr=0.06,  # [demo]
        schedule="cosine:epoch",  # [demo]
        zero_init=False,  # [demo]
        weight_decay=5e-4,  # [demo]
        warmup=0,  # [demo]
        temperature=0.1,  # [demo]
        set=["queue=4096", "momentum=0.99"],  # [demo]
    )


def rules(scale: Scale) -> dict[str, tuple[Any, str]]:
    """What the paper's numbers become in small runs."""
    n, batch, steps = scale.samples, scale.batch, scale.steps
    queue = min(4096, power_of_two(n / 4))
    return {
        "queue": (queue, f"at most 4,096 and a quarter of the {n:,} samples, which come back every epoch"),
        "momentum": twin_momentum(steps),
        "bn_groups": (max(1, min(8, batch // 16)), "the published eight, but of at least 16 rows each"),
        "head_norm": head_norm(steps),
    }


RECIPES = {"imagenet": imagenet, "cifar10": cifar10}
