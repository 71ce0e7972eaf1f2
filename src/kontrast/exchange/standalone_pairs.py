"""Two towers as a folder of their own, where open_clip cannot name the image tower: our small net.

config.json, model.safetensors (open_clip's names), tokenizer.json, and encoder.py: the source of our own towers, so
what it builds is what was trained. It needs torch, NumPy, safetensors, tokenizers and Pillow.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from kontrast import files
from kontrast.encoders.clip import bpe, transformers
from kontrast.encoders.clip.hugging_face import HuggingFaceTower
from kontrast.encoders.clip.towers import TrunkTower
from kontrast.encoders.clip.transformers import Attention, Block, Blocks, TextTransformer
from kontrast.encoders.images.encoder import small_net
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.pair_folder import WORDS, Pairs, certified, no_towers, start_folder
from kontrast.exchange.standalone import preprocessing_py
from kontrast.preprocessing import Preprocessing

CONFIG, WEIGHTS = "config.json", "model.safetensors"

_FRAME = '''\
"""The picture and text encoders of this folder. Needs torch, numpy, safetensors, tokenizers, pillow; nothing else.

    from encoder import load, prepare, words
    net = load()
    pictures = net.encode_image(torch.stack([prepare(Image.open(path)) for path in paths]))  # (n, {width})
    captions = net.encode_text(words(["two dogs run", "a red car"]))                         # (m, {width})
    similarity = torch.nn.functional.cosine_similarity(pictures[:, None], captions[None], dim=-1)

{card}
"""

from __future__ import annotations

import html
import json
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.functional import interpolate
{imports}
HERE = Path(__file__).resolve().parent
CONFIG = json.loads((HERE / "config.json").read_text())
CONTEXT = {context}
PLAIN = str.maketrans({plain!r})


{parts}

class Pair(nn.Module):
    """Pictures (B, 3, {size}, {size}) and tokens (B, T) to vectors (B, {width})."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.ModuleDict()
        self.visual["trunk"] = small_net(3, {size})
        self.visual["head"] = nn.Sequential()
        self.visual["head"].add_module("proj", nn.Linear({trunk}, {width}, bias=False))
        self.text = {text}
        self.logit_scale = nn.Parameter(torch.zeros(()))
        if "init_logit_bias" in CONFIG["model_cfg"]:
            self.logit_bias = nn.Parameter(torch.zeros(()))

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.visual["head"](self.visual["trunk"](pixels))

    def encode_text(self, ids: Tensor) -> Tensor:
        return self.text(ids)


def load() -> Pair:
    """Both encoders with their weights, in evaluation mode."""
    net = Pair()
    net.load_state_dict(load_file(HERE / "model.safetensors"))
    return net.eval()


def words(captions: Sequence[str]) -> Tensor:
    """Captions to ids, padded to the longest, cut at {context} tokens."""
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(pad_id={pad}, pad_token={pad_token!r})
    clean = [unicodedata.normalize("NFC", html.unescape(html.unescape(text))).translate(PLAIN) for text in captions]
    return torch.tensor([row.ids for row in tokenizer.encode_batch([" ".join(text.split()) for text in clean])])


def prepare(picture: Image.Image) -> Tensor:
    """A Pillow picture as it was evaluated: {look_in_words}; normalised."""
    upright = ImageOps.exif_transpose(picture).convert("RGB")
    flat = torch.frombuffer(bytearray(upright.tobytes()), dtype=torch.uint8)
    return LOOK(flat.view(1, upright.height, upright.width, 3).permute(0, 3, 1, 2).contiguous())[0]
'''


_OWN_TEXT = """TextTransformer(
            context={context}, vocabulary={vocabulary}, width={width}, layers={layers}, heads={heads}, embed={embed},
            mlp_ratio=4.0, activation=nn.GELU(), eps=1e-5, pool="argmax", causal=True, eos=2, bias=False,
        )"""

_HUGGING_FACE = '''\
class Text(nn.Module):
    """The Hugging Face encoder of text/config.json, pooled, and a projection."""

    def __init__(self) -> None:
        super().__init__()
        config = AutoConfig.from_pretrained(HERE / "text")
        self.transformer = AutoModel.from_config(config, add_pooling_layer=False)
        self.proj = nn.Linear(config.hidden_size, {embed}, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != {pad}).long()
        hidden = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.proj({pooled})
'''
_POOLED = {
    "mean_pooler": "(hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)",
    "cls_last_hidden_state_pooler": "hidden[:, 0]",
}


def encoder_py(
    model_cfg: dict[str, Any], look: Preprocessing, *, trunk: int, pad_id: int, pad_token: str, plain: dict[int, str]
) -> str:
    """The text of encoder.py for our small net and CLIP's text transformer or a Hugging Face encoder."""
    words, embed = model_cfg["text_cfg"], model_cfg["embed_dim"]
    if "hf_model_name" in words:
        pooled = _POOLED[words.get("hf_pooler_type", "mean_pooler")]
        parts = [inspect.getsource(small_net), _HUGGING_FACE.format(embed=embed, pad=pad_id, pooled=pooled)]
        text, imports = "Text()", "from transformers import AutoConfig, AutoModel\n"
    else:
        parts = [inspect.getsource(made) for made in (small_net, Attention, Block, Blocks, TextTransformer)]
        text, imports = (
            _OWN_TEXT.format(
                context=words["context_length"],
                vocabulary=words["vocab_size"],
                width=words["width"],
                layers=words["layers"],
                heads=words["heads"],
                embed=embed,
            ),
            "",
        )
    parts.append(preprocessing_py(look) + "\n")
    notes = (inspect.getdoc(transformers) or "").rpartition("\n\n")[2]
    return _FRAME.format(
        parts="\n\n".join(parts),
        card=notes,
        width=embed,
        trunk=trunk,
        pad=pad_id,
        pad_token=pad_token,
        plain=plain,
        size=model_cfg["vision_cfg"]["image_size"],
        context=words["context_length"],
        text=text,
        imports=imports,
        look_in_words=look.in_words(),
    )


PROGRAM = """\
import sys, torch
sys.path.insert(0, ".")
import encoder as own
net = own.load()
@torch.no_grad()
def pictures(given):
    return torch.cat([net.encode_image(own.prepare(each)[None]) for each in given]).numpy()
@torch.no_grad()
def sentences(given):
    return net.encode_text(own.words(given)).numpy()
"""


class StandalonePairs:
    """See `format.Format`. Towers with our own small net; others are open_clip's."""

    needs: Mapping[str, str] = {}

    def says_it(self, model: Any) -> str:
        if why := no_towers(model):
            return why
        return "" if is_ours(model.encoder.spec) else "its own file knows our small net alone, and open_clip this model"

    def write(self, folder: Path, model: Any, about: About) -> Certificate:
        write(folder, model.pairs)
        again = self.read(folder)
        net = again.load()

        def vectors(pixels: Tensor) -> tuple[Tensor, Tensor]:
            return net.encode_image(pixels), net.encode_text(again.words(WORDS))

        return certified(folder, model.pairs, about, vectors, ("plain", "its own encoder.py and by kontrast", PROGRAM))

    def read(self, folder: Path) -> ModuleType:
        """The folder's own encoder.py, imported: its `load()` gives the net, its `words` read captions."""
        found = importlib.util.spec_from_file_location("encoder_of_a_folder", folder / "encoder.py")
        assert found is not None and found.loader is not None
        made = importlib.util.module_from_spec(found)
        sys.modules[found.name] = made  # dataclasses look there for the names in their annotations
        try:
            found.loader.exec_module(made)
        finally:
            del sys.modules[found.name]
        return made


def is_ours(model_cfg: dict[str, Any]) -> bool:
    """Whether the image tower is our own small net."""
    return model_cfg["vision_cfg"].get("kontrast_model_name") is not None


def write(folder: Path, pairs: Pairs) -> None:
    """Write config.json, model.safetensors, the tokenizer and encoder.py; text/ for a Hugging Face text tower."""
    model, captions = pairs.towers, pairs.captions
    assert isinstance(model.visual, TrunkTower)
    start_folder(folder, pairs, CONFIG)
    trunk = model.visual.head.get_submodule("proj").get_parameter("weight").shape[1]
    pad_token = captions.inner.inner.id_to_token(captions.pad_id)
    text = encoder_py(model.spec, pairs.look, trunk=trunk, pad_id=captions.pad_id, pad_token=pad_token, plain=bpe.PLAIN)
    files.write(folder / "encoder.py", text)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    files.write_tensors(folder / WEIGHTS, weights, {"format": "pt"})
    if isinstance(model.text, HuggingFaceTower):
        inner: Any = model.text.transformer
        (folder / "text").mkdir(exist_ok=True)
        inner.config.to_json_file(folder / "text" / "config.json")
