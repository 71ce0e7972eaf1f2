"""CLIP as published. Each function returns a complete run; each number has its source.

[paper] Radford et al. 2021, arXiv:2103.00020.  [open_clip] its training code, where the paper gives no number.
"""

from __future__ import annotations

from typing import Any

from kontrast.recipes.rules import Scale
from kontrast.settings import Settings


def imagenet() -> Settings:
    """ViT-B/32 on 400 million pairs, 32 epochs: 63.3 % zero-shot top-1 on ImageNet (open_clip's evaluation)."""
    return Settings(
        method="clip",
        encoder="ViT-B-32",  # [paper] section 2.4
        image_size=224,  # [paper] section 2.5
        views="clip",  # [paper] section 2.3: a random square crop is the only augmentation
        batch_size=32768,  # [paper] section 2.5
        epochs=32,  # [paper] section 2.5
        optimizer="adamw:beta2=0.98,eps=1e-6",  # [paper] section 2.5, table 18: Adam with decoupled weight decay
        schedule="cosine",  # [paper] section 2.5
        lr=5e-4,  # [paper] table 20
        weight_decay=0.2,  # [paper] table 18
        warmup=0.16,  # [paper] table 18: 2,000 steps of 12,207 in an epoch
    )


def cifar10() -> Settings:
    """The same for small pictures: small towers, kontrast's own sizes; nothing of this scale is published."""
    return Settings(
        method="clip",
        encoder="small",  # kontrast
        image_size=32,
        views="clip",  # [paper] section 2.3
        batch_size=256,  # kontrast: captions repeat in larger batches of small sets
        epochs=30,  # kontrast
        optimizer="adamw:beta2=0.98,eps=1e-6",  # [paper] table 18
        schedule="cosine",  # [paper] section 2.5
        lr=1e-3,  # kontrast
        weight_decay=0.1,  # [open_clip] its recipe for sets of 12 to 15 million pairs
        warmup=1,  # kontrast
    )


def rules(scale: Scale) -> dict[str, tuple[Any, str]]:
    """What pictures with captions want otherwise."""
    return {
        "temperature": (None, "learned: it begins at 0.07, or at the pretrained model's own"),
        "views": ("clip", "as published: captions speak of left, right and colour"),
        "channels": (3, "CLIP's image towers take three"),
        "weight_decay": (0.1, "open_clip's for small sets"),
    }


RECIPES = {"imagenet": imagenet, "cifar10": cifar10}
