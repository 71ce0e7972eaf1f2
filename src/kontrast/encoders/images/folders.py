"""Encoders from a folder: a run folder, a `model/` folder of ours, or a timm folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from kontrast import files
from kontrast.encoders.images.by_name import image_encoder_by_name
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.errors import Unfit


@dataclass(frozen=True)
class Stored:
    """What a folder says about its encoder: arguments of `image_encoder_by_name`, and how pictures were normalised."""

    folder: Path
    spec: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: int | None = None  # of 16-bit pictures, where it was trained on them

    def encoder(self, image_size: int | None = None) -> ImageEncoder:
        """The encoder with its weights, every one of them used; for pictures of another size if it can take them."""
        spec = self.spec | {"image_size": image_size or self.spec["image_size"]}
        encoder = image_encoder_by_name(**spec, seed=0)
        weights = self.folder / "model.safetensors"
        try:
            encoder.net.load_state_dict(files.read_tensors(weights))
        except (OSError, SafetensorError) as problem:
            raise Unfit(f"{weights} cannot be read: {problem}") from None
        except RuntimeError as problem:
            told = " ".join(str(problem).split())
            raise Unfit(f"{weights} does not fit the encoder that its config.json names: {told[:300]}") from None
        encoder.messages = (f"weights: {self.folder}",)
        return encoder


def stored(folder: str | Path) -> Stored:
    """Read the config.json of a run folder or a model folder. Raises Unfit if there is none that we understand."""
    folder = Path(folder)
    if (folder / "model").is_dir():
        folder = folder / "model"
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        raise Unfit(f"{folder} holds no model: there is no config.json in it.") from None
    except (OSError, ValueError) as problem:
        raise Unfit(f"{folder / 'config.json'} cannot be read: {problem}") from None
    try:
        if "architecture" in config:
            look = config["pretrained_cfg"]
            channels, image_size, _ = look["input_size"]
            spec = {"name": config["architecture"], "channels": channels, "image_size": image_size, "stem": "imagenet"}
        else:
            look, spec = config, config["encoder"]
        return Stored(folder, spec, tuple(look["mean"]), tuple(look["std"]), config.get("white"))
    except (KeyError, TypeError, ValueError) as problem:
        raise Unfit(f"{folder / 'config.json'} does not describe a picture encoder ({problem!r}).") from None
