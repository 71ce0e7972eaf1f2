"""Two towers into one space: pictures (B, 3, h, w) -> (B, E) and tokens (B, T) -> (B, E), in open_clip's shape.

`model_cfg` is open_clip's own description (`embed_dim`, `vision_cfg`, `text_cfg`), so the same JSON builds the model
here and there. The image tower is CLIP's ViT or ResNet or any timm network with a projection; the text tower is CLIP's
transformer or any Hugging Face encoder with a projection. Either can be locked (LiT: Zhai et al. 2022,
arXiv:2111.07991): its weights stand still and it stays in evaluation mode; a projection behind it goes on learning.

Shapes: B rows, T tokens, E embedding width, C channels, h x w pixels.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from kontrast.encoders.clip.hugging_face import HuggingFaceTower, hugging_face
from kontrast.encoders.clip.resnet import ModifiedResNet
from kontrast.encoders.clip.transformers import ImageTransformer, QuickGELU, TextTransformer
from kontrast.encoders.images.encoder import small_net
from kontrast.encoders.norm import convert
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit

START = 0.07  # the temperature that learning begins with; CLIP, section 2.5
HERE = "."  # text_cfg.hf_model_name of a folder that holds the Hugging Face config itself


@dataclass(frozen=True, kw_only=True)
class Vision:
    """open_clip's `vision_cfg`, as far as it is understood here, with open_clip's defaults."""

    image_size: int = 224
    layers: int | tuple[int, ...] = 12  # several: the stages of a ResNet
    width: int = 768
    head_width: int = 64
    mlp_ratio: float = 4.0
    patch_size: int | None = 16
    no_ln_pre: bool = False
    final_ln_after_pool: bool = False
    pool_type: str = "tok"
    kontrast_model_name: str | None = None  # ours: "small", our net for small pictures, which open_clip does not have
    timm_model_name: str | None = None
    timm_model_pretrained: bool = False  # read, and not followed: weights come from the folder
    timm_pool: str | None = "avg"
    timm_proj: str | None = "linear"  # None or "": the network's own classifier makes the embedding
    timm_proj_bias: bool = False
    timm_drop: float = 0.0
    timm_drop_path: float | None = None


@dataclass(frozen=True, kw_only=True)
class Words:
    """open_clip's `text_cfg`, as far as it is understood here, with open_clip's defaults."""

    context_length: int = 77
    vocab_size: int = 49408
    width: int = 512
    heads: int = 8
    layers: int = 12
    mlp_ratio: float = 4.0
    no_causal_mask: bool = False
    pool_type: str = "argmax"
    pad_id: int = 0
    eos_id: int = 2
    proj_bias: bool = False
    norm_kwargs: Mapping[str, Any] | None = None
    act_kwargs: Mapping[str, Any] | None = None
    hf_tokenizer_name: str | None = None
    tokenizer_kwargs: Mapping[str, Any] | None = None
    hf_model_name: str | None = None
    hf_model_pretrained: bool = False
    hf_proj_type: str = "mlp"
    hf_pooler_type: str = "mean_pooler"


_Config = TypeVar("_Config", Vision, Words)


def understood(kind: type[_Config], config: Mapping[str, Any]) -> _Config:
    """The part of an open_clip configuration as a dataclass; what it asks beyond that is an error, not ignored."""
    known = {field.name: field.default for field in fields(kind)}
    beyond = {name: value for name, value in config.items() if name not in known and value not in (None, False)}
    if beyond:
        told = ", ".join(f"{name}={value}" for name, value in beyond.items())
        raise Unfit(f"This open_clip model needs {told}, which kontrast does not build.")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in config.items()
    }
    return kind(**{name: value for name, value in values.items() if name in known})


class TrunkTower(nn.Module):
    """Any picture network and a projection, under open_clip's names: `trunk` and `head`."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    @property
    def before(self) -> nn.Module:
        """What stands before the projection."""
        return self.trunk

    def forward(self, pictures: Tensor) -> Tensor:
        """Pixels (B, C, h, w), or what `read` made of them (B, W), to (B, E)."""
        embedded_BE: Tensor = self.head(pictures if pictures.ndim == 2 else self.read(pictures))
        return embedded_BE

    def read(self, pixels_BChw: Tensor) -> Tensor:
        """The network's features, (B, W): all that stands still where this tower is locked."""
        features_BW: Tensor = self.trunk(pixels_BChw)
        return features_BW


def projection(width: int, embed: int, *, bias: bool = False, drop: float = 0.0) -> nn.Sequential:
    """One Linear, under open_clip's names."""
    return nn.Sequential(OrderedDict(drop=nn.Dropout(drop), proj=nn.Linear(width, embed, bias=bias)))


def timm_tower(vision: Vision, embed: int) -> TrunkTower:
    """A timm network and a projection as `timm_proj` says: "linear", "mlp", "none"; nothing: timm's own classifier."""
    import timm  # takes seconds, so it comes when it is asked

    if vision.timm_pool in ("abs_attn", "rot_attn") or vision.timm_proj not in ("linear", "mlp", "none", "", None):
        raise Unfit(f"kontrast does not build timm_pool={vision.timm_pool!r} with timm_proj={vision.timm_proj!r}.")
    options: dict[str, Any] = {"global_pool": vision.timm_pool} if vision.timm_pool else {}
    if vision.timm_drop_path is not None:
        options["drop_path_rate"] = vision.timm_drop_path
    trunk = timm.create_model(vision.timm_model_name, num_classes=0 if vision.timm_proj else embed, **options)
    head = nn.Sequential()
    if vision.timm_proj == "linear":
        head = projection(trunk.num_features, embed, bias=vision.timm_proj_bias, drop=vision.timm_drop)
    elif vision.timm_proj == "mlp":
        drop, bias = (vision.timm_drop, 0.0), (True, vision.timm_proj_bias)
        head.add_module("mlp", timm.layers.Mlp(trunk.num_features, 2 * embed, embed, drop=drop, bias=bias))
    return TrunkTower(trunk, head)


class Towers(nn.Module):
    """Pictures and words in one space; `forward` is the image tower, so that it is an encoder like any other.

    width        E
    spec         open_clip's `model_cfg`: what is needed to build it again
    logit_scale  ln(1 / temperature), learned with the towers; `logit_bias` only for SigLIP
    messages     what was decided for the user, in sentences: nothing
    """

    def __init__(self, visual: nn.Module, text: TextTransformer | HuggingFaceTower, spec: dict[str, Any]) -> None:
        super().__init__()
        self.visual, self.text, self.spec = visual, text, spec
        self.width: int = spec["embed_dim"]
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / START)))
        self.logit_bias: nn.Parameter | None = None
        if spec.get("init_logit_bias") is not None:
            self.logit_bias = nn.Parameter(torch.tensor(float(spec["init_logit_bias"])))
        self.locked: tuple[str, ...] = ()
        self.messages: tuple[str, ...] = ()
        for tower in (visual, text):  # no row needs another, BatchNorm excepted: a large batch may be cut
            vars(tower)["by_rows"] = True  # a mark beside its parameters

    def forward(self, pixels_BChw: Tensor) -> Tensor:
        image_BE: Tensor = self.visual(pixels_BChw)
        return image_BE

    def encode_text(self, words: Tensor) -> Tensor:
        """The vectors, not normalised, (B, E), of ids (B, T) or of what a locked tower has read before (B, W)."""
        text_BE: Tensor = self.text(words)
        return text_BE

    def reader(self, tower: str) -> TrunkTower | HuggingFaceTower | None:
        """The tower "image" or "text", if it is locked and has a projection behind it: what it reads is read once."""
        found = self.visual if tower == "image" else self.text
        return found if tower in self.locked and isinstance(found, TrunkTower | HuggingFaceTower) else None

    def judge_alone(self) -> None:
        """Begin SigLIP, where there is no bias yet: bias -10, temperature 0.1 (Zhai et al. 2023, arXiv:2303.15343)."""
        if self.logit_bias is None:
            self.spec = {**self.spec, "init_logit_bias": -10.0}
            self.logit_bias = nn.Parameter(torch.full_like(self.logit_scale.detach(), -10.0))
            nn.init.constant_(self.logit_scale, math.log(10.0))

    def lock(self, *towers: str) -> None:
        """Freeze the towers named "image" or "text": no gradient, no drop-out, BatchNorm by its running statistics."""
        if unknown := set(towers) - {"image", "text"}:
            raise Unfit(f'Only "image" and "text" can be locked, not {sorted(unknown)[0]!r}.')
        self.locked = towers
        for module in self._still():
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Towers:
        super().train(mode)
        for module in self._still():
            module.eval()
        return self

    def _still(self) -> list[nn.Module]:
        """What is locked: the tower without the projection behind it, where that is a module of its own."""
        image = self.visual.before if isinstance(self.visual, TrunkTower) else self.visual
        text = self.text.before if isinstance(self.text, HuggingFaceTower) else self.text
        return [module for name, module in (("image", image), ("text", text)) if name in self.locked]


def towers(model_cfg: Mapping[str, Any], *, seed: int, folder: Path | None = None, norm: str = "batch") -> Towers:
    """Build both towers with random weights keyed by the seed; torch's global generator does not move.

    folder  where a Hugging Face text tower's config.json lies when `hf_model_name` is "."
    norm    "batch", "group" or "frozen": see `norm.convert`
    Raises Unfit for what kontrast does not build.
    """
    spec = deepcopy(dict(model_cfg))
    spec.pop("custom_text", None)
    vision, words = understood(Vision, spec["vision_cfg"]), understood(Words, spec["text_cfg"])
    if beyond := set(spec) - {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "init_logit_bias"}:
        raise Unfit(f"This open_clip model needs {sorted(beyond)[0]}, which kontrast does not build.")
    embed = int(spec["embed_dim"])
    quick = bool(spec.get("quick_gelu"))
    with drawn_from("towers", seed):
        visual = _image_tower(vision, embed, quick)
        text = _text_tower(words, embed, quick, folder)
    return Towers(convert(visual, norm=norm), text, spec)


def _image_tower(vision: Vision, embed: int, quick: bool) -> nn.Module:
    if vision.timm_model_name is not None:
        return timm_tower(vision, embed)
    if vision.kontrast_model_name is not None:
        trunk = small_net(3, vision.image_size)
        width = [module.out_channels for module in trunk if isinstance(module, nn.Conv2d)][-1]
        return TrunkTower(trunk, projection(width, embed))
    if isinstance(vision.layers, tuple):
        heads = vision.width * 32 // vision.head_width
        return ModifiedResNet(vision.image_size, vision.width, vision.layers, heads, embed)
    assert vision.patch_size is not None
    return ImageTransformer(
        size=vision.image_size,
        patch=vision.patch_size,
        width=vision.width,
        layers=vision.layers,
        heads=vision.width // vision.head_width,
        embed=embed,
        mlp_ratio=vision.mlp_ratio,
        activation=QuickGELU() if quick else nn.GELU(),
        eps=1e-5,
        pool=vision.pool_type,
        norm_early=not vision.no_ln_pre,
        norm_late=vision.final_ln_after_pool,
    )


def _text_tower(words: Words, embed: int, quick: bool, folder: Path | None) -> TextTransformer | HuggingFaceTower:
    if words.hf_model_name is not None:
        place = folder if words.hf_model_name == HERE and folder is not None else Path(words.hf_model_name)
        return HuggingFaceTower(hugging_face(place), embed, words.hf_pooler_type, words.hf_proj_type)
    return TextTransformer(
        context=words.context_length,
        vocabulary=words.vocab_size,
        width=words.width,
        layers=words.layers,
        heads=words.heads,
        embed=embed,
        mlp_ratio=words.mlp_ratio,
        activation=QuickGELU() if quick else nn.GELU(**dict(words.act_kwargs or {})),
        eps=dict(words.norm_kwargs or {}).get("eps", 1e-5),
        pool=words.pool_type,
        causal=not words.no_causal_mask,
        eos=words.eos_id,
        bias=words.proj_bias,
    )
