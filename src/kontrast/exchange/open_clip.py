"""open_clip folders and OpenAI's CLIP weights, read and written under their own names.

    open_clip_config.json         model_cfg (what to build) and preprocess_cfg (how pictures are made ready)
    open_clip_model.safetensors   visual.*, transformer.*, token_embedding.weight, ..., logit_scale
    tokenizer.json, tokenizer_config.json

In open_clip: `create_model_and_transforms("local-dir:FOLDER")` and `get_tokenizer("local-dir:FOLDER")`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import files
from kontrast.encoders import weight_files
from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.bpe import Captions
from kontrast.encoders.clip.hugging_face import HuggingFaceTower, hugging_face
from kontrast.encoders.clip.towers import Towers, towers
from kontrast.errors import Unfit
from kontrast.exchange import standalone_pairs
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.pair_folder import WORDS, Pairs, certified, no_towers, start_folder
from kontrast.preprocessing import Preprocessing

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
OWN_CONFIG, OWN_WEIGHTS = standalone_pairs.CONFIG, standalone_pairs.WEIGHTS
WEIGHT_FILES = (WEIGHTS, "open_clip_pytorch_model.safetensors", OWN_WEIGHTS, "open_clip_pytorch_model.bin")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # OpenAI's pictures
TEXT_PARTS = ("text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final")
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # scalars in OpenAI's state dicts


PROGRAM = """\
import open_clip, torch
net, _, prepare = open_clip.create_model_and_transforms("local-dir:.")
words = open_clip.get_tokenizer("local-dir:.")
net.eval()
@torch.no_grad()
def pictures(given):
    return torch.cat([net.encode_image(prepare(each)[None]) for each in given]).numpy()
@torch.no_grad()
def sentences(given):
    return net.encode_text(words(given)).numpy()
"""


class OpenClip:
    """See `format.Format`. All towers but those with our own small net, which open_clip cannot name."""

    needs: Mapping[str, str] = {"open_clip": "open_clip_torch"}

    def says_it(self, model: Any) -> str:
        if why := no_towers(model):
            return why
        return "" if says_it(model.encoder) else "open_clip does not know our small net"

    def write(self, folder: Path, model: Any, about: About) -> Certificate:
        pairs: Pairs = model.pairs
        write(folder, pairs.towers, pairs.captions, pairs.look)
        again = self.read(folder)

        def vectors(pixels: Tensor) -> tuple[Tensor, Tensor]:
            ids = again.captions(WORDS, full=not again.towers.text.cuttable)
            return again.towers(pixels), again.towers.encode_text(ids)

        return certified(folder, pairs, about, vectors, ("open_clip", "open_clip and kontrast", PROGRAM))

    def read(self, folder: Path) -> Pairs:
        """The towers as kontrast loads them: open_clip need not be there."""
        return read(folder)


def read(folder: str | Path) -> Pairs:
    """The model of an open_clip folder. Raises Unfit when something is missing, unknown, or does not fit."""
    folder = Path(folder)
    model_cfg, look = _described(folder)
    found = towers(model_cfg, seed=0, folder=folder if (folder / CONFIG).is_file() else folder / "text")
    load(found, weight_files.read(folder, *WEIGHT_FILES))
    captions = bpe.read(folder, model_cfg["text_cfg"])
    return Pairs(found.eval(), captions, look)


def _described(folder: Path) -> tuple[dict[str, Any], Preprocessing]:
    """`model_cfg`, and how pictures are made ready."""
    name = CONFIG if (folder / CONFIG).is_file() else OWN_CONFIG
    try:
        config = json.loads((folder / name).read_text(encoding="utf-8"))
        model_cfg, told = config["model_cfg"], config.get("preprocess_cfg") or {}
        look = preprocessing(model_cfg["vision_cfg"], told, folder)
        model_cfg["vision_cfg"]["image_size"] = look.size
    except FileNotFoundError:
        raise Unfit(f"{folder} is not an open_clip folder: there is no {CONFIG} in it.") from None
    except Unfit:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Unfit(f"{folder / name} cannot be read as open_clip's configuration: {problem!r}") from None
    return model_cfg, look


def preprocessing(vision_cfg: Mapping[str, Any], told: Mapping[str, Any], folder: Path) -> Preprocessing:
    """From `preprocess_cfg`, as open_clip reads it: what it leaves out is OpenAI's; the size is the image tower's."""
    size = vision_cfg.get("image_size", 224)
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(set(sides)) > 1:
        raise Unfit(f"{folder} takes pictures of {sides[0]} x {sides[1]} pixels; kontrast makes squares alone.")
    mean, std = (
        (v,) * 3 if isinstance(v, float | int) else tuple(v) for v in (told.get("mean") or MEAN, told.get("std") or STD)
    )
    smooth = "bilinear" if told.get("interpolation") == "bilinear" else "bicubic"  # "random" is for training alone
    fill = (told.get("fill_color") or 0) / 255
    mode = told.get("resize_mode") or "shortest"
    try:
        return Preprocessing(sides[0], mean, std, smooth, resize_mode=mode, fill=(fill,) * 3 if fill else ())
    except ValueError as problem:
        raise Unfit(f"{folder} makes its pictures ready in a way that kontrast does not: {problem}.") from None


def image_size(path: Path) -> int:
    """The size of the pictures that the towers of a run or model folder take; no weights are read."""
    folder = path / "model" if (path / "model").is_dir() else path
    return _described(folder)[1].size


def holds(path: Path) -> bool:
    """Whether this run folder or model folder has two towers."""
    folder = path / "model" if (path / "model").is_dir() else path
    own = folder / OWN_CONFIG
    return (folder / CONFIG).is_file() or (own.is_file() and '"model_cfg"' in own.read_text(encoding="utf-8"))


def read_openai(file: str | Path, *, vocabulary: Path | None = None) -> Pairs:
    """OpenAI's CLIP from a file of its state dict: the sizes follow from the weights, as in their code."""
    state = weight_files.tensors(Path(file))
    found = towers(described(state), seed=0)
    load(found, state)
    context = int(found.spec["text_cfg"]["context_length"])
    look = Preprocessing(int(found.spec["vision_cfg"]["image_size"]), MEAN, STD)
    return Pairs(found.eval(), bpe.openai(context=context, path=vocabulary), look)


def load(into: Towers, state: Mapping[str, Tensor]) -> None:
    """Put open_clip's or OpenAI's tensors into the towers, every one of them, half precision widened."""
    own = into.state_dict()
    named = {_inside(name): tensor for name, tensor in state.items() if name not in NOT_WEIGHTS}
    named.pop("text.transformer.embeddings.position_ids", None)
    missing, beyond = sorted(own.keys() - named.keys()), sorted(named.keys() - own.keys())
    if missing or beyond:
        what = f"{len(missing)} are missing (first: {missing[0]})" if missing else f"{beyond[0]} has no place in it"
        raise Unfit(f"The weights do not fit the model that the configuration describes: {what}.")
    for name, tensor in named.items():
        target = own[name]
        if tensor.numel() != target.numel():
            shapes = f"{tuple(tensor.shape)} in the file, {tuple(target.shape)} in the model"
            raise Unfit(f"The weights do not fit the model that the configuration describes: {name} is {shapes}.")
        target.copy_(tensor.reshape(target.shape))


def _inside(name: str) -> str:
    """open_clip's name of a tensor as ours: the text tower's parts lie at the top level in plain CLIP."""
    name = name.removeprefix("module.")
    return f"text.{name}" if name.split(".")[0] in TEXT_PARTS else name


def says_it(model: Towers) -> bool:
    """Whether open_clip can build these towers: all but our own small net."""
    return not standalone_pairs.is_ours(model.spec)


def written(model: Towers) -> dict[str, Tensor]:
    """The state dict under open_clip's names, fp32 on the CPU."""
    plain = says_it(model) and not isinstance(model.text, HuggingFaceTower)
    return {
        name.removeprefix("text.") if plain else name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }


def write(folder: Path, model: Towers, captions: Captions, look: Preprocessing) -> None:
    """Write the folder that open_clip loads; with our small net, one that its own encoder.py loads.

    A Hugging Face text tower needs its config.json beside: then open_clip must be called from inside the folder,
    because it looks for `hf_model_name` "." in the working directory.
    """
    if not says_it(model):
        return standalone_pairs.write(folder, Pairs(model, captions, look))
    start_folder(folder, Pairs(model, captions, look), CONFIG)
    files.write_tensors(folder / WEIGHTS, written(model), {"format": "pt"})
    if isinstance(model.text, HuggingFaceTower):
        inner: Any = model.text.transformer
        files.write(folder / "config.json", inner.config.to_json_string())


def described(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """open_clip's `model_cfg` of an OpenAI state dict, read off the shapes; they were all trained with QuickGELU."""
    text_width = len(state["ln_final.weight"])
    layers = {name.split(".")[2] for name in state if name.startswith("transformer.resblocks.")}
    words = {
        "context_length": len(state["positional_embedding"]),
        "vocab_size": len(state["token_embedding.weight"]),
        "width": text_width,
        "heads": text_width // 64,
        "layers": len(layers),
    }
    if "visual.proj" in state:
        width, _, patch, _ = state["visual.conv1.weight"].shape
        grid = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
        blocks = sum(name.startswith("visual.") and name.endswith(".attn.in_proj_weight") for name in state)
        vision: dict[str, Any] = {"image_size": patch * grid, "layers": blocks, "width": width, "patch_size": patch}
    else:
        stages = [
            len({name.split(".")[2] for name in state if name.startswith(f"visual.layer{n}.")}) for n in range(1, 5)
        ]
        grid = round((len(state["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
        width = state["visual.layer1.0.conv1.weight"].shape[0]
        vision = {"image_size": 32 * grid, "layers": stages, "width": width, "patch_size": None}
    embed = state["text_projection"].shape[1]
    return {"embed_dim": embed, "vision_cfg": vision, "text_cfg": words, "quick_gelu": True}


def with_text_tower(model: Towers, folder: Path) -> None:
    """Give a Hugging Face text tower the weights of its folder; the projection behind it stays as it is."""
    if not isinstance(model.text, HuggingFaceTower):
        raise ValueError("the towers have no Hugging Face text tower to fill.")
    inner: nn.Module = hugging_face(folder, weights=True)
    kept = {name: tensor for name, tensor in inner.state_dict().items() if not name.startswith("pooler.")}
    model.text.transformer.load_state_dict(kept)


@torch.no_grad()
def interpolated(start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """(1 - share) start + share end, tensor by tensor: both ends to the bit. Counters are taken from the nearer end.

    Fine-tuned weights averaged with those they began with keep more of what was known before (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models", arXiv:2109.01903; they like shares around 0.5).
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 (start) and 1 (end), got {share}.")
    if start.keys() != end.keys():
        raise ValueError(f"the two models differ: {sorted(start.keys() ^ end.keys())[0]} is in only one of them.")
    nearer = start if share < 0.5 else end
    return {
        name: torch.lerp(first, end[name], share) if first.is_floating_point() else nearer[name].clone()
        for name, first in start.items()
    }
