"""transformers' folders: what `AutoModel` loads, of pictures, of sentences, and of both.

pictures   timm's folder, which transformers reads as it is (TimmWrapper)
sentences  config.json, model.safetensors and the tokenizer; how tokens become one vector stands in the card alone
both       a CLIPModel; see `hugging_face_clip`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kontrast.encoders.clip.towers import Towers
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.text.encoder import TextEncoder
from kontrast.encoders.text.open import text_encoder
from kontrast.exchange import hugging_face_clip
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.sentence_transformers import certified, transformer_files
from kontrast.exchange.timm import MODES, Timm

PICTURES = """\
import torch
from transformers import AutoImageProcessor, AutoModel
prepare, net = AutoImageProcessor.from_pretrained("."), AutoModel.from_pretrained(".").eval()
@torch.no_grad()
def pictures(given):
    ready = [prepare(each.convert("{mode}"), return_tensors="pt") for each in given]
    return torch.cat([net(**each).pooler_output for each in ready]).numpy()
"""
SENTENCES = """\
import torch
from transformers import AutoModel, AutoTokenizer

words, net = AutoTokenizer.from_pretrained("."), AutoModel.from_pretrained(".").eval()  # of this folder


@torch.no_grad()
def vector(sentence):
    tokens = words(sentence{lower}, truncation=True, max_length={max_length}, return_tensors="pt")
    found = net(**tokens, output_hidden_states=True)
    return {pooled}
"""
POOLED = {  # of one sentence, so without padding
    "cls": "found.pooler_output[0]",
    "cls-before-pooler": "found.last_hidden_state[0, 0]",
    "mean": "found.last_hidden_state[0].mean(0)",
    "max": "found.last_hidden_state[0].amax(0)",
    "last": "found.last_hidden_state[0, -1]",
    "first-last": "(found.hidden_states[1] + found.hidden_states[-1])[0].mean(0) / 2",
    "top2": "(found.hidden_states[-2] + found.hidden_states[-1])[0].mean(0) / 2",
}


class Transformers:
    """See `format.Format`."""

    needs: Mapping[str, str] = {"transformers": '"kontrast[text]"'}

    def says_it(self, model: Any) -> str:
        if isinstance(model.encoder, ImageEncoder):
            return Timm().says_it(model)
        if isinstance(model.encoder, TextEncoder):
            return _of_sentences(model.encoder)
        if isinstance(model.encoder, Towers):
            return hugging_face_clip.says_it(model.encoder, model.pairs.look)
        return "it holds encoders of pictures, of sentences, and of both"

    def write(self, folder: Path, model: Any, about: About) -> Certificate:
        if isinstance(model.encoder, ImageEncoder):
            made = Timm().write(folder, model, about)
            mode = MODES.get(model.encoder.spec["channels"], "RGB")
            return replace(made, layout="transformers", program=PICTURES.format(mode=mode))
        if isinstance(model.encoder, Towers):
            return hugging_face_clip.write(folder, model.pairs, about)
        encoder = model.encoder
        folder.mkdir(parents=True, exist_ok=True)
        transformer_files(folder, encoder)
        usage = sentences_py(encoder)
        program = f"{usage}\ndef sentences(given):\n    return torch.stack([vector(each) for each in given]).numpy()\n"
        again = text_encoder(str(folder), seed=0, pooler=encoder.pooler)
        again.spec["normalize"] = encoder.spec["normalize"]
        lines = f'{usage}\n\nprint(vector("A dog runs.").shape)  # ({encoder.width},)'
        told = ("transformers", "transformers (AutoModel, AutoTokenizer)")
        return certified(folder, encoder, about, again, told, usage=f"```python\n{lines}\n```", program=program)

    def read(self, folder: Path) -> Any:
        """The model as kontrast loads it: transformers need not be there."""
        if hugging_face_clip.holds(folder):
            return hugging_face_clip.read(folder)
        return text_encoder(str(folder), seed=0) if (folder / "tokenizer.json").is_file() else Timm().read(folder)


def sentences_py(encoder: TextEncoder) -> str:
    """Code that makes the vector of a sentence, for the card and for the proof."""
    pooled = POOLED[encoder.pooler]
    if encoder.spec["normalize"]:
        pooled = f"torch.nn.functional.normalize({pooled}, dim=0)"
    lower = ".lower()" if encoder.spec["lower"] else ""
    return SENTENCES.format(lower=lower, max_length=encoder.spec["max_length"], pooled=pooled)


def _of_sentences(encoder: TextEncoder) -> str:
    """Why AutoModel cannot say this sentence encoder; "" where it can."""
    spec = encoder.spec
    if spec["name"] == "static":
        return "transformers knows no static encoder"
    if encoder.pooler not in POOLED or (encoder.pooler == "cls" and spec["name"] != "bert"):
        return f"AutoModel does not pool by {encoder.pooler}"
    if spec.get("dense") or spec.get("truncate") or encoder.tokenizer.prompt:
        return "AutoModel knows no layers after the pooling, no fewer columns and no prompts"
    return ""
