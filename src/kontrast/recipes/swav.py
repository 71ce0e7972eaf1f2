"""SwAV as published. Each function returns a complete run; each number has its source.

[paper] Caron et al. 2020, arXiv:2006.09882.  [code] facebookresearch/swav, README and scripts.
[lightly] docs.lightly.ai, CIFAR-10 benchmark.  [solo] vturrisi/solo-learn, CIFAR-10 recipe.
"""

from __future__ import annotations

from typing import Any

from kontrast.recipes.rules import Scale, power_of_two
from kontrast.settings import Settings


def imagenet() -> Settings:
    """ResNet-50, 100 epochs of 2 large and 6 small crops: 72.1 % linear top-1 ([code], README)."""
    return Settings(
        method="swav",
        encoder="resnet50",  # [paper] section 4.1
        image_size=224,  # [paper] section 4.1
        views="swav",  # [code]
        crops="2x224+6x96",  # [paper] section 4.1
        batch_size=4096,  # [code] 64 GPUs of 64
        epochs=100,  # [code] README
        optimizer="lars:apex",  # [code] LARC with clip=False
        lr=4.8,  # [code]
        schedule="cosine:start=0.0625,end=0.001",  # [code] from 0.3 to 4.8, then to 0.0048
        zero_init=False,  # [code]
        weight_decay=1e-6,  # [code]
        warmup=10,  # [code]
        temperature=0.1,  # [paper] appendix A
        set=["prototypes=3000", "frozen=313", "queue=0"],  # [code] 100-epoch script
    )


def cifar10() -> Settings:
    """ResNet-18, 2 crops: 84.2 % kNN after 200 epochs ([lightly])."""
    return Settings(
        method="swav",
        encoder="resnet18",  # [lightly]
        image_size=32,
        views="simclr-cifar",  # [lightly]: no blur
        batch_size=512,  # [lightly]
        epochs=200,  # [lightly]
        optimizer="adamw",  # [lightly]: Adam
        lr=1e-3,  # [lightly]
        schedule="cosine",  # [lightly]
        zero_init=False,  # [lightly]
        weight_decay=1e-6,  # [lightly]
        warmup=0,  # [lightly]
        temperature=0.1,  # [paper] appendix A
        set=["prototypes=512", "frozen=0", "queue=0"],  # [lightly]
    )


def rules(scale: Scale) -> dict[str, tuple[Any, str]]:
    """What the paper's numbers become in small runs."""
    batch = scale.batch
    return {
        "prototypes": (min(3000, power_of_two(batch)), f"as many as the {batch} rows of a batch"),
        "frozen": (scale.steps // 20, "a twentieth of the run"),
        "hidden": (256, "enough for small nets"),
        "temperature": (0.1, "as published"),
        "epsilon": (0.03, "sharper codes than 0.05, as the official README advises for a loss that stays at ln K"),
    }


RECIPES = {"imagenet": imagenet, "cifar10": cifar10}
