"""DOC kontrast.encoders.images.open."""

from __future__ import annotations
from pathlib import Path
from typing import Any
import torch
from torch import Tensor, nn
from kontrast.encoders.images.backbones import backbone, is_resnet, put_cifar_stem, scale_last_norms
from kontrast.encoders.norm import convert
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.by_name import image_encoder


def _from_folder(folder: str, channels: int, image_size: int) -> ImageEncoder:
    from kontrast.encoders.images.folders import stored

    found = stored(folder)
    if found.spec["channels"] != channels:
        raise Unfit(f"The encoder in {folder} takes {found.spec['channels']} channels; the pictures have {channels}.")
    return found.encoder(image_size)
