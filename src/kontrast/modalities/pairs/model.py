"""Two towers in use: pictures and sentences in, vectors of one space out. Always fp32 and evaluation mode.

Shapes: N pictures, M sentences, E embedding width.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast import keyed
from kontrast.data.open import Source, open_source
from kontrast.data.pixels.decode import to_channels
from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.bpe import Captions
from kontrast.encoders.clip.hugging_face import HuggingFaceTower
from kontrast.encoders.clip.presets import PAPER, SMALL_TEXT, model_cfg
from kontrast.encoders.clip.towers import towers
from kontrast.encoders.text import tokens
from kontrast.errors import Failed, Unfit
from kontrast.exchange import open_clip
from kontrast.exchange.card import About, Certificate, pair_card
from kontrast.exchange.image_folder import TOLERANCE
from kontrast.exchange.open_clip import Pairs
from kontrast.keyed import Ids
from kontrast.modalities.inference import BATCH, evaluating
from kontrast.preprocessing import Preprocessing

CONTEXT = 64  # tokens of a caption for a Hugging Face text tower


class PairModel:
    """Towers, their tokenizer, and how pictures are made ready. `embed` for pictures, `embed_text` for sentences."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.encoder = pairs.towers
        self.image_size = pairs.image_size

    @property
    def width(self) -> int:
        """E, the length of a vector."""
        return self.encoder.width

    def embed(self, data: Any) -> npt.NDArray[np.float32]:
        """Vectors (N, E) of all usable pictures: a path, an array, a list of PIL pictures, or a Source."""
        source = open_source(data, channels=3)
        return self.embed_source(source, source.ids).numpy()

    def embed_source(self, source: Source, ids: Ids) -> Tensor:
        """Vectors (N, E), fp32, on the CPU, of these pictures of an open source, in their order."""
        parts = [torch.empty(0, self.width)]
        device = self.encoder.logit_scale.device
        with evaluating(self.encoder, device):
            for start in range(0, len(ids), BATCH):
                raw = source.images(ids[start : start + BATCH])
                pictures = [torch.from_numpy(to_channels(picture.numpy(), 3)).to(device) for picture in raw]
                ready = self.pairs.look(pictures, white=source.white)
                parts.append(self.encoder(ready).float().cpu())
        return torch.cat(parts)

    def embed_text(self, sentences: Sequence[str]) -> Tensor:
        """Vectors (M, E), fp32, on the CPU."""
        parts = [torch.empty(0, self.width)]
        device = self.encoder.logit_scale.device
        with evaluating(self.encoder, device):
            for start in range(0, len(sentences), BATCH):
                ids = self.pairs.captions(sentences[start : start + BATCH], full=not self.encoder.text.cuttable)
                parts.append(self.encoder.encode_text(ids.to(device)).float().cpu())
        return torch.cat(parts)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine of every row of a (M, E) with every row of b (N, E): (M, N), from -1 to 1."""
        return normalize(torch.as_tensor(a), dim=1) @ normalize(torch.as_tensor(b), dim=1).T

    def random(self, seed: int = 0) -> PairModel:
        """The same towers with fresh random weights: what no learning gives."""
        inner: Any = self.encoder.text
        if isinstance(inner, HuggingFaceTower):  # its shape is in memory, not in a folder
            fresh = copy.deepcopy(self.encoder)
            small = towers({**self.encoder.spec, "text_cfg": {"vocab_size": 2, "layers": 1}}, seed=seed)
            fresh.visual.load_state_dict(small.visual.state_dict())
            return PairModel(replace(self.pairs, towers=fresh))
        return PairModel(replace(self.pairs, towers=towers(self.encoder.spec, seed=seed)))

    def with_weights(self, weights: Mapping[str, Tensor]) -> PairModel:
        """The same towers with these weights (a state dict of them)."""
        other = copy.deepcopy(self.encoder)
        other.load_state_dict(weights)
        return PairModel(replace(self.pairs, towers=other))

    def save(self, folder: Path) -> None:
        """Write the folder that open_clip loads; see `exchange.open_clip`."""
        open_clip.write(folder, self.encoder, self.pairs.captions, self.pairs.look)


def certified(folder: Path, model: PairModel, about: About) -> Certificate:
    """Write the folder, read it again, and compare the vectors of noise and of two sentences; Failed if they differ."""
    model.save(folder)
    again, size = load_pairs(folder), (4, 3, model.image_size, model.image_size)
    pictures = torch.randint(0, 256, size, generator=keyed.generator("certificate")).to(torch.uint8)
    words = ["one picture", "another one"]
    pairs = (
        (torch.as_tensor(model.embed(pictures)), torch.as_tensor(again.embed(pictures))),
        (model.embed_text(words), again.embed_text(words)),
    )
    difference = max(float((live - read).abs().max()) for live, read in pairs)
    largest = max(float(live.abs().max()) for live, _ in pairs)
    if not difference <= TOLERANCE * max(1.0, largest):
        raise Failed(f"{folder} was written but gives other vectors when it is read again ({difference:.2g}).")
    layout = "open_clip" if open_clip.says_it(model.encoder) else "plain"
    loaders = "open_clip and kontrast" if layout == "open_clip" else "its own encoder.py and by kontrast"

    def told(about: About) -> str:
        return pair_card(model.width, model.image_size, about, loaders=loaders, difference=difference)

    certificate = Certificate(layout, loaders, difference, largest, told)
    certificate.write_card(folder, about)
    return certificate


def mixed(start: str | Path | PairModel, end: str | Path | PairModel, share: float = 0.5) -> PairModel:
    """The weights (1 - share) start + share end of two runs or folders with the same towers: fine-tuned weights mixed
    with those they began with keep more of what was known before (Wortsman et al. 2022, arXiv:2109.01903).
    `mixed(A, B).save(Path("FOLDER"))` writes them. ValueError where the towers differ.
    """
    first, last = (one if isinstance(one, PairModel) else load_pairs(one) for one in (start, end))
    start_weights, end_weights = first.encoder.state_dict(), last.encoder.state_dict()
    return last.with_weights(open_clip.interpolated(start_weights, end_weights, share))


def load_pairs(path: str | Path) -> PairModel:
    """The towers of a run folder, of a `model/` folder, or of any open_clip folder, on the CPU."""
    path = Path(path)
    return PairModel(open_clip.read(path / "model" if (path / "model").is_dir() else path))


def started(
    image: str, text: str, captions: Sequence[str], look: Preprocessing, *, seed: int, sigmoid: bool = False
) -> Pairs:
    """Towers to begin with, and the tokenizer that fits them.

    image  "small", a size of the paper, a timm name, or an open_clip folder (then with its text tower and tokenizer)
    text   "small" with a vocabulary learned from the captions; "clip" with CLIP's own; a folder with a Hugging Face
           encoder and its weights; "" for what the image tower suggests
    look   how pictures are made ready for towers that have seen none
    sigmoid  with the bias that SigLIP learns
    """
    if Path(image).is_dir():
        kept = load_pairs(image).pairs
        if sigmoid:
            kept.towers.judge_alone()
        return kept
    text = text or ("clip" if image in PAPER else "small")
    if text == "small":
        words = bpe.learned(captions, context=SMALL_TEXT["context_length"])
    elif text == "clip":
        words = bpe.openai()
    elif Path(text).is_dir():
        words = Captions(tokens.read(Path(text), max_length=CONTEXT), "whitespace")
    else:
        raise Unfit(f"The text tower {text!r} is neither small, clip, nor a folder.")
    config = model_cfg(image, text, image_size=look.size, vocab_size=words.inner.size, own_words=text != "clip")
    made = towers(config, seed=seed, folder=Path(text) if Path(text).is_dir() else None)
    if sigmoid:
        made.judge_alone()
    if isinstance(made.text, HuggingFaceTower):
        open_clip.with_text_tower(made, Path(text))
    return Pairs(made, words, look)
