"""A picture encoder from what a user may say: a name, or a folder with weights."""

from __future__ import annotations

from pathlib import Path

from kontrast.encoders.images.by_name import image_encoder_by_name
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.folders import stored
from kontrast.encoders.norm import normed
from kontrast.errors import Unfit


def image_encoder(
    name: str,
    *,
    channels: int = 3,
    image_size: int,
    seed: int,
    pretrained: bool = False,
    stem: str | None = None,
    zero_init: bool = True,
    norm: str = "batch",
) -> ImageEncoder:
    """The encoder of a name, as `image_encoder_by_name` builds it; or of a run or model folder, with its weights.

    Of a folder the architecture is the folder's own, so only `channels` and `image_size` are heard.

    Raises Unfit as `image_encoder_by_name` does, and for a folder that takes other channels.
    """
    if not Path(name).is_dir():
        made: ImageEncoder = normed(
            image_encoder_by_name(
                name,
                channels=channels,
                image_size=image_size,
                seed=seed,
                pretrained=pretrained,
                stem=stem,
                zero_init=zero_init,
            ),
            norm,
        )
        return made
    found = stored(name)
    if found.spec["channels"] != channels:
        raise Unfit(f"The encoder in {name} takes {found.spec['channels']} channels; the pictures have {channels}.")
    return found.encoder(image_size)
