"""SimCLR as published. Each function returns a complete run; each number has its source.

[paper] Chen et al. 2020, arXiv:2002.05709.  [code] google-research/simclr, README and flags.
"""

from __future__ import annotations

from kontrast.settings import Settings


def imagenet() -> Settings:
    """ResNet-50, 100 epochs on ImageNet: 64.5 % linear top-1 ([code], README)."""
    return Settings(
        method="simclr",
        encoder="resnet50",  # [paper] section 2.1
        image_size=224,  # [paper] appendix A
        views="simclr",  # [paper] appendix A
        batch_size=4096,  # [paper] section 2.2
        epochs=100,  # [paper] section 2.2
        optimizer="lars:simclr",  # [paper] section 2.2
        lr=4.8,  # [paper] 0.3 x 4096 / 256, section 2.2
        weight_decay=1e-4,  # [code] README; the paper says 1e-6
        warmup=10,  # [paper] section 2.2
        schedule="cosine",  # [paper] section 2.2
        zero_init=True,  # [code] resnet.py, init_zero
        temperature=0.1,  # [paper] table 5 and [code]
    )


def cifar10() -> Settings:
    """ResNet-18 with the CIFAR stem: about 91 % linear top-1 after 1,000 epochs ([code], README)."""
    return Settings(
        method="simclr",
        encoder="resnet18",  # [code] README
        image_size=32,
        views="simclr-cifar",  # [paper] appendix B.9: strength 0.5, no blur
        batch_size=512,  # [code] README
        epochs=1000,  # [code] README
        optimizer="lars:simclr",  # [code] README
        lr=2.0,  # [code] README: 1.0 x 512 / 256
        weight_decay=1e-4,  # [code] README
        warmup=10,  # [code] default
        schedule="cosine",  # [code]
        zero_init=True,  # [code]
        temperature=0.5,  # [paper] appendix B.9
    )


RECIPES = {"imagenet": imagenet, "cifar10": cifar10}
