"""MoCo v2 as published. Each function returns a complete run; each number has its source.

[v2] Chen et al. 2020, arXiv:2003.04297.  [code] facebookresearch/moco.
[demo] the authors' CIFAR-10 demo, branch colab-notebook of [code].
"""

from __future__ import annotations

from kontrast.recipes import moco
from kontrast.settings import Settings


def imagenet() -> Settings:
    """v2: ResNet-50, 200 epochs on ImageNet: 67.5 % linear top-1 ([v2], table 1)."""
    return Settings(
        method="moco-v2",
        encoder="resnet50",  # [v2]
        image_size=224,  # [v2]
        views="moco-v2",  # [v2] section 3: blur, and a milder hue
        batch_size=256,  # [v2]
        epochs=200,  # [v2] table 1
        optimizer="sgd",  # [v2]
        lr=0.03,  # [v2]
        schedule="cosine:epoch",  # [code] --cos: moved once an epoch
        zero_init=False,  # [code]
        weight_decay=1e-4,  # [code]
        warmup=0,  # [code]
        temperature=0.2,  # [v2] section 3
        set=["queue=65536", "momentum=0.999"],  # [v2]
    )


def cifar10() -> Settings:
    """v2's MLP projector on the symmetric demo: 85.3 % kNN after 200 epochs with the linear one ([demo])."""
    return Settings(
        method="moco-v2",
        encoder="resnet18",  # [demo]
        image_size=32,
        views="simclr-cifar",  # as for v1
        batch_size=512,  # [demo]
        epochs=200,  # [demo]
        optimizer="sgd",  # [demo]
        lr=0.06,  # [demo]
        schedule="cosine:epoch",  # [demo]
        zero_init=False,  # [demo]
        weight_decay=5e-4,  # [demo]
        warmup=0,  # [demo]
        temperature=0.1,  # [demo]
        set=["queue=4096", "momentum=0.99", "symmetric=true"],  # [demo]
    )


rules = moco.rules  # its numbers are those of v1
RECIPES = {"imagenet": imagenet, "cifar10": cifar10}
