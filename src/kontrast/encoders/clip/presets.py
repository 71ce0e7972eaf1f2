"""Towers by name, as open_clip's `model_cfg`: the sizes of the paper, and a small pair for two processor cores.

The image tower is "small" (our net for small pictures), a size of the paper ("ViT-B-32", "RN50"), or any timm name. The
text tower is "small", the paper's own for such an image tower, or a folder with a Hugging Face encoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kontrast.encoders.clip.towers import HERE
from kontrast.errors import Unfit

# name: (embed_dim, image_size, layers, width, patch_size, width of the text tower); CLIP, table 20 and open_clip
PAPER: dict[str, tuple[int, int, int | list[int], int, int | None, int]] = {
    "RN50": (1024, 224, [3, 4, 6, 3], 64, None, 512),
    "RN101": (512, 224, [3, 4, 23, 3], 64, None, 512),
    "RN50x4": (640, 288, [4, 6, 10, 6], 80, None, 640),
    "RN50x16": (768, 384, [6, 8, 18, 8], 96, None, 768),
    "RN50x64": (1024, 448, [3, 15, 36, 10], 128, None, 1024),
    "ViT-B-32": (512, 224, 12, 768, 32, 512),
    "ViT-B-16": (512, 224, 12, 768, 16, 512),
    "ViT-L-14": (768, 224, 24, 1024, 14, 768),
}
SMALL_EMBED = 128
SMALL_TEXT = {"context_length": 32, "width": 128, "heads": 4, "layers": 3}


def model_cfg(
    image: str,
    text: str | Path,
    *,
    image_size: int,
    vocab_size: int,
    own_words: bool,
    context_length: int | None = None,
) -> dict[str, Any]:
    """open_clip's description of two towers.

    text       "small", "clip" (the paper's transformer), or a folder with a Hugging Face encoder
    own_words  the tokenizer is not CLIP's own vocabulary, so it travels in the model's folder
    """
    if image in PAPER:
        embed, _, layers, width, patch, text_width = PAPER[image]
        vision: dict[str, Any] = {"layers": layers, "width": width, "patch_size": patch}
    elif image == "small":
        embed, text_width, vision = SMALL_EMBED, 512, {"kontrast_model_name": "small"}
    elif _timm_has(image):
        embed, text_width = 256 if text == "small" else 512, 512
        vision = {"timm_model_name": image, "timm_pool": "", "timm_proj": "linear", "timm_model_pretrained": False}
    else:
        raise Unfit(f"There is no image tower {image!r}: small, {', '.join(PAPER)}, or a name that timm knows.")
    words: dict[str, Any] = {"vocab_size": vocab_size}
    if text == "small":
        words |= SMALL_TEXT
    elif text == "clip":
        words |= {"context_length": 77, "width": text_width, "heads": text_width // 64, "layers": 12}
    else:
        words = {"hf_model_name": HERE, "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler", "context_length": 64}
    if context_length is not None:
        words["context_length"] = context_length
    if own_words:
        words["hf_tokenizer_name"] = HERE
    return {"embed_dim": embed, "vision_cfg": {"image_size": image_size, **vision}, "text_cfg": words}


def _timm_has(name: str) -> bool:
    import timm  # takes seconds, so it comes when it is asked

    return bool(timm.is_model(name))
