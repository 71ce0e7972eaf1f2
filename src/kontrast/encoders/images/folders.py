"""Encoders from a folder: a run folder, a `model/` folder of ours, or a timm folder (transformers' TimmWrapper too)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from kontrast.encoders import weight_files
from kontrast.encoders.images.by_name import as_described
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.published import of_timm
from kontrast.errors import Unfit
from kontrast.preprocessing import DEFAULTS, Preprocessing


@dataclass(frozen=True)
class Stored:
    """What a folder says about its encoder.

    spec        arguments of `image_encoder_by_name`
    look        how its pictures were made ready
    classifier  names of the layers after the features, whose weights are left where they are
    fixed       it takes pictures of one size alone, as a ViT with its positions does
    """

    folder: Path
    spec: dict[str, Any]
    look: Preprocessing
    classifier: tuple[str, ...] = ()
    fixed: bool = False

    def encoder(self, image_size: int | None = None) -> ImageEncoder:
        """The encoder with its weights, every one of them used; for pictures of another size if it can take them."""
        own, size = self.spec["image_size"], image_size or self.spec["image_size"]
        if size != own and self.fixed:
            raise Unfit(f"The encoder in {self.folder} takes pictures of {own} pixels, not {size}: --image-size {own}.")
        encoder = as_described(self.spec | {"image_size": size}, seed=0)
        try:
            encoder.net.load_state_dict(self._weights())
        except RuntimeError as problem:
            told = " ".join(str(problem).split())
            raise Unfit(
                f"The weights in {self.folder} do not fit the encoder that its config.json names: {told[:300]}"
            ) from None
        encoder.messages = (f"weights: {self.folder}", f"pixels: {replace(self.look, size=size).in_words()}")
        encoder.look = replace(self.look, size=size)
        return encoder

    def _weights(self) -> dict[str, Tensor]:
        found = {name.removeprefix("timm_model."): tensor for name, tensor in weight_files.read(self.folder).items()}
        left = tuple(f"{name}." for name in self.classifier)
        return {name: tensor for name, tensor in found.items() if not (left and name.startswith(left))}


def stored(folder: str | Path) -> Stored:
    """Read the config.json of a run folder or a model folder. Raises Unfit if there is none that we understand."""
    folder = Path(folder)
    if (folder / "model").is_dir():
        folder = folder / "model"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unfit(f"{folder} holds no model: there is no config.json in it.") from None
    except (OSError, ValueError) as problem:
        raise Unfit(f"{folder / 'config.json'} cannot be read: {problem}") from None
    try:
        if "architecture" in config:
            return _of_timm(folder, config)
        if "model_type" in config:
            raise Unfit(
                f"{folder} holds a model of transformers' own ({config['model_type']}); picture encoders are read from "
                "timm's folders and kontrast's, sentence encoders from folders with a tokenizer."
            )
        spec = config["encoder"]
        unusual = {name: config[name] for name in DEFAULTS if name in config}
        unusual |= {"fill": tuple(unusual["fill"])} if "fill" in unusual else {}
        look = Preprocessing(spec["image_size"], tuple(config["mean"]), tuple(config["std"]), **unusual)
        return Stored(folder, spec, look)
    except Unfit:
        raise
    except (KeyError, TypeError, ValueError) as problem:
        raise Unfit(f"{folder / 'config.json'} does not describe a picture encoder ({problem!r}).") from None


def _of_timm(folder: Path, config: dict[str, Any]) -> Stored:
    """As timm reads its own config.json: `model_args` build the network, and `pretrained_cfg` says the rest."""
    import timm  # takes seconds, so it comes when it is asked

    name, args = config["architecture"], dict(config.get("model_args") or {})
    told: Mapping[str, Any] = config.get("pretrained_cfg") or config  # one flat dictionary in old folders
    registered = timm.get_pretrained_cfg(name, allow_unregistered=True).to_dict() if timm.is_model(name) else {}
    channels, height, width = told.get("input_size") or (3, 224, 224)
    channels = args.pop("in_chans", None) or channels
    args.pop("num_classes", None)
    if told.get("global_pool"):
        args.setdefault("global_pool", told["global_pool"])
    fixed = bool(told.get("fixed_input_size", registered.get("fixed_input_size")))
    if fixed and (sides := args.pop("img_size", None)):  # if not, its positions are stretched to any size
        height, width = (sides, sides) if isinstance(sides, int) else sides
    look = of_timm({**told, "input_size": (channels, height, width)}, str(folder))
    if len(look.mean) != channels or len(look.std) != channels:
        raise Unfit(f"{folder} takes {channels} channels, but normalises {len(look.mean)}.")
    spec = {"name": name, "channels": channels, "image_size": look.size, "stem": "imagenet", **args}
    last = told.get("classifier") or registered.get("classifier") or ()
    return Stored(folder, spec, look, (last,) if isinstance(last, str) else tuple(last), fixed)
