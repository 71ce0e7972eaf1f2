"""Two towers as a CLIPModel of transformers: CLIP's ViT and CLIP's text transformer under Hugging Face's names.

    config.json, model.safetensors         `AutoModel`: get_image_features, get_text_features
    config.json (pretrained_cfg)           `TimmWrapperImageProcessor`: the transform that was evaluated
    preprocessor_config.json               `AutoImageProcessor`: nearly the same
    tokenizer.json, tokenizer_config.json  `AutoTokenizer`

The CLIPImageProcessor that AutoImageProcessor gives cuts the centre of every fourth shape of pictures one pixel beside
where torchvision, timm and open_clip cut it, and resizes by torch. TimmWrapperImageProcessor, theirs too, is exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor, nn

from kontrast import files
from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.towers import Towers
from kontrast.encoders.clip.transformers import Attention, Block, Blocks, ImageTransformer, QuickGELU, TextTransformer
from kontrast.encoders.images.published import CROP_MODES
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.pair_folder import WORDS, Pairs, certified
from kontrast.preprocessing import Preprocessing

LOADERS = "transformers (AutoModel, TimmWrapperImageProcessor, AutoTokenizer)"
PROGRAM = """\
import torch
from transformers import AutoModel, AutoTokenizer, TimmWrapperImageProcessor
net, prepare = AutoModel.from_pretrained(".").eval(), TimmWrapperImageProcessor.from_pretrained(".")
words = AutoTokenizer.from_pretrained(".")
@torch.no_grad()
def pictures(given):
    return torch.cat([net.get_image_features(**prepare(each.convert("RGB"), return_tensors="pt")).pooler_output
                      for each in given]).numpy()
@torch.no_grad()
def sentences(given):
    tokens = words(given, padding=True, truncation=True, max_length={context}, return_tensors="pt")
    found = net.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    return found.pooler_output.numpy()
"""


def says_it(towers: Towers, look: Preprocessing) -> str:
    """Why a CLIPModel cannot say these towers, in words that end a sentence; "" where it can."""
    visual, text = towers.visual, towers.text
    if not isinstance(visual, ImageTransformer) or not isinstance(text, TextTransformer):
        return "transformers' CLIPModel is CLIP's own ViT with CLIP's own text transformer"
    plain = visual.pool == "tok" and not visual.norm_late and isinstance(visual.ln_pre, nn.LayerNorm)
    if not plain or not text.transformer.causal or text.pool not in ("argmax", "eos"):
        return "transformers' CLIPModel takes the class token and the end of the text, behind norms where CLIP has them"
    if towers.logit_bias is not None or isinstance(text.text_projection, nn.Linear) or _end(text) == 2:
        return "transformers' CLIPModel has neither SigLIP's bias nor one after its text, and no end of text numbered 2"
    if look.resize_mode == "longest":
        return "the borders of its pictures have no place there"
    return ""


def write(folder: Path, pairs: Pairs, about: About) -> Certificate:
    """Write the folder and compare what transformers reads of it; Failed if that differs."""
    folder.mkdir(parents=True, exist_ok=True)
    towers = pairs.towers
    for name, content in (("config.json", config(pairs)), ("preprocessor_config.json", processor(pairs.look))):
        files.write(folder / name, json.dumps(content, indent=2) + "\n")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in named(towers)}
    files.write_tensors(folder / "model.safetensors", weights, {"format": "pt"})
    bpe.write(pairs.captions, folder)
    net = read(folder)

    def vectors(pixels: Tensor) -> tuple[Tensor, Tensor]:
        found = net.get_image_features(pixel_values=pixels), net.get_text_features(input_ids=pairs.captions(WORDS))
        image, text = (getattr(each, "pooler_output", each) for each in found)
        return image, text

    told = ("transformers", LOADERS, PROGRAM.format(context=pairs.captions.context))
    return certified(folder, pairs, about, vectors, told)


def holds(folder: Path) -> bool:
    """Whether this folder has a CLIPModel."""
    told: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return told.get("model_type") == "clip"


def read(folder: Path) -> Any:
    """The towers as transformers loads them."""
    from transformers import CLIPModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    return CLIPModel.from_pretrained(folder, local_files_only=True).eval()


def processor(look: Preprocessing) -> dict[str, Any]:
    """The content of preprocessor_config.json."""
    side = math.floor(look.size / look.crop_pct)
    resized = {"shortest_edge": side} if look.resize_mode == "shortest" else {"height": side, "width": side}
    return {
        "image_processor_type": "CLIPImageProcessor",
        "size": resized,
        "crop_size": {"height": look.size, "width": look.size},
        "resample": int(Image.Resampling[look.interpolation.upper()]),
        "image_mean": list(look.mean),
        "image_std": list(look.std),
    }


def config(pairs: Pairs) -> dict[str, Any]:
    """The content of config.json."""
    towers, look, inner = pairs.towers, pairs.look, pairs.captions.inner
    visual, text = towers.visual, towers.text
    assert isinstance(visual, ImageTransformer) and isinstance(text, TextTransformer)
    vision = {"image_size": look.size, "patch_size": visual.conv1.kernel_size[0]}
    words = {"vocab_size": text.token_embedding.num_embeddings, "max_position_embeddings": text.context}
    words |= {
        "eos_token_id": _end(text),
        "bos_token_id": inner.inner.token_to_id(bpe.START),
        "pad_token_id": inner.pad_id,
    }
    shapes = [
        {"model_type": f"clip_{kind}_model", "projection_dim": towers.width, **_shape(tower.transformer), **more}
        for kind, tower, more in (("vision", visual, vision), ("text", text, words))
    ]
    pixels = {
        "input_size": [3, look.size, look.size],
        "interpolation": look.interpolation,
        "crop_pct": look.crop_pct,
        "crop_mode": CROP_MODES[look.resize_mode],
        "mean": list(look.mean),
        "std": list(look.std),
    }
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": towers.width,
        "vision_config": shapes[0],
        "text_config": shapes[1],
        "pretrained_cfg": pixels,
    }


def _end(text: TextTransformer) -> int:
    """The id of the end of text: the largest one, or the one that it looks for."""
    return text.token_embedding.num_embeddings - 1 if text.pool == "argmax" else text.eos


def _shape(blocks: Blocks) -> dict[str, Any]:
    first = blocks.resblocks[0]
    assert isinstance(first, Block)
    gelu, wide = first.mlp.get_submodule("gelu"), first.mlp.get_submodule("c_fc").get_parameter("weight")
    return {
        "hidden_size": wide.shape[1],
        "intermediate_size": wide.shape[0],
        "num_hidden_layers": len(blocks.resblocks),
        "num_attention_heads": first.attn.heads,
        "hidden_act": "quick_gelu" if isinstance(gelu, QuickGELU) else _gelu(gelu),
        "layer_norm_eps": first.ln_1.eps,
    }


def _gelu(module: nn.Module) -> str:
    return "gelu_pytorch_tanh" if getattr(module, "approximate", "none") == "tanh" else "gelu"


def named(towers: Towers) -> Iterator[tuple[str, Tensor]]:
    """Hugging Face's names and tensors."""
    visual, text = towers.visual, towers.text
    assert isinstance(visual, ImageTransformer) and isinstance(text, TextTransformer)
    projection = text.text_projection
    assert isinstance(projection, Tensor)
    seen, read_ = "vision_model.", "text_model."
    yield f"{seen}embeddings.class_embedding", visual.class_embedding
    yield f"{seen}embeddings.patch_embedding.weight", visual.conv1.weight
    yield f"{seen}embeddings.position_embedding.weight", visual.positional_embedding
    yield f"{read_}embeddings.token_embedding.weight", text.token_embedding.weight
    yield f"{read_}embeddings.position_embedding.weight", text.positional_embedding
    norms: Mapping[str, nn.Module] = {
        f"{seen}pre_layrnorm": visual.ln_pre,  # their spelling
        f"{seen}post_layernorm": visual.ln_post,
        f"{read_}final_layer_norm": text.ln_final,
    }
    for name, norm in norms.items():
        yield from _both(name, norm)
    yield from _blocks(f"{seen}encoder.layers.", visual.transformer)
    yield from _blocks(f"{read_}encoder.layers.", text.transformer)
    yield "visual_projection.weight", visual.proj.T
    yield "text_projection.weight", projection.T
    yield "logit_scale", towers.logit_scale


def _blocks(name: str, blocks: Blocks) -> Iterator[tuple[str, Tensor]]:
    for number, block in enumerate(blocks.resblocks):
        assert isinstance(block, Block)
        yield from _attention(f"{name}{number}.self_attn.", block.attn)
        parts: dict[str, nn.Module] = {"layer_norm1": block.ln_1, "layer_norm2": block.ln_2}
        parts |= {"mlp.fc1": block.mlp.get_submodule("c_fc"), "mlp.fc2": block.mlp.get_submodule("c_proj")}
        for part, module in parts.items():
            yield from _both(f"{name}{number}.{part}", module)


def _attention(name: str, attention: Attention) -> Iterator[tuple[str, Tensor]]:
    """The three of queries, keys and values lie behind one another in CLIP's own code."""
    pieces = zip("qkv", attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
    for letter, weight, bias in pieces:
        yield f"{name}{letter}_proj.weight", weight
        yield f"{name}{letter}_proj.bias", bias
    yield from _both(f"{name}out_proj", attention.out_proj)


def _both(name: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", module.get_parameter("weight")
    yield f"{name}.bias", module.get_parameter("bias")
