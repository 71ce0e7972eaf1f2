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

from kontrast import progress
from kontrast.data.open import Source, open_source
from kontrast.data.pixels.decode import to_channels
from kontrast.data.readers.python import all_sentences
from kontrast.encoders.clip.hugging_face import HuggingFaceTower
from kontrast.encoders.clip.presets import PAPER, model_cfg
from kontrast.encoders.clip.towers import towers
from kontrast.errors import Unfit, shown
from kontrast.exchange import open_clip
from kontrast.exchange.pair_folder import Pairs
from kontrast.keyed import Ids
from kontrast.modalities.inference import BATCH, evaluating, file_of, picture_of, words_of
from kontrast.modalities.pairs import apart
from kontrast.modalities.texts.model import ROLES
from kontrast.preprocessing import Preprocessing


class PairModel:
    """Towers, their tokenizer, and how pictures are made ready. `embed` for pictures, `embed_text` for sentences; see
    `modality.InUse`."""

    words = True

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
        source = self.read(data)
        return self.embed_source(source, source.ids).numpy()

    def read(self, data: Any, split: str | None = None, **how: Any) -> Source:
        """The data: pictures, or sentences alone. Unfit where they hold neither."""
        source = open_source(data, split=split, channels=3, **how)
        if source.pictures is None and _role(source) is None:
            raise Unfit(f"{source.name} holds {source.kind}; sentences or pictures were expected.")
        return source

    def called(self, source: Source) -> list[str]:
        """The file or row of each picture; sentences by themselves."""
        if source.pictures is None and (role := _role(source)):
            return source.texts(source.ids, role)
        return [shown(source.names[int(i)]) for i in source.ids]

    def asked(self, query: str) -> tuple[npt.NDArray[np.float32], Tensor | None]:
        """(the vector of a picture file, its picture), or (that of words or a text file, None)."""
        file = file_of(query)
        if file is None or file.suffix == ".txt":
            return self.embed_text([words_of(query)])[0].numpy(), None
        picture = picture_of(query)
        return self.embed_source(picture, picture.ids)[0].numpy(), picture.images(picture.ids)[0]

    def embed_source(self, source: Source, ids: Ids) -> Tensor:
        """Vectors (N, E), fp32, on the CPU, of these samples of an open source, in their order: of its pictures, or of
        its sentences where it has no pictures."""
        if source.pictures is None and (role := _role(source)):
            return self.embed_text(source.texts(ids, role))
        parts = [torch.empty(0, self.width)]
        device = self.encoder.logit_scale.device
        with evaluating(self.encoder, device):
            for start in progress.passing(range(0, len(ids), BATCH), "embedding pictures", each=BATCH, total=len(ids)):
                raw = source.images(ids[start : start + BATCH])
                pictures = [torch.from_numpy(to_channels(picture.numpy(), 3)).to(device) for picture in raw]
                ready = self.pairs.look(pictures, white=source.white)
                parts.append(self.encoder(ready).float().cpu())
        return torch.cat(parts)

    def embed_text(self, sentences: Sequence[str]) -> Tensor:
        """Vectors (M, E), fp32, on the CPU."""
        sentences = all_sentences(sentences)
        parts = [torch.empty(0, self.width)]
        device = self.encoder.logit_scale.device
        with evaluating(self.encoder, device):
            many = len(sentences)
            for start in progress.passing(range(0, many, BATCH), "embedding captions", each=BATCH, total=many):
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


def _role(source: Source) -> str | None:
    """Whose words stand for a sample that has no picture."""
    return next((role for role in ROLES if role in source.columns), None)


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

    image  "small", a size of the paper, a timm name, an open_clip folder (then with its text tower and tokenizer), or
           the folder of a picture encoder (see `apart`)
    text   "small" with a vocabulary learned from the captions; "clip" with CLIP's own; a folder with a Hugging Face
           encoder and its weights; "" for what the image tower suggests
    look   how pictures are made ready for towers that have seen none
    sigmoid  with the bias that SigLIP learns
    """
    if Path(image).is_dir() and not open_clip.holds(Path(image)):
        return apart.started(Path(image), text, captions, look.size, seed=seed, sigmoid=sigmoid)
    if Path(image).is_dir():
        kept = load_pairs(image).pairs
        if sigmoid:
            kept.towers.judge_alone()
        return kept
    text = text or ("clip" if image in PAPER else "small")
    words = apart.tokenizer(text, captions)
    config = model_cfg(image, text, image_size=look.size, vocab_size=words.inner.size, own_words=text != "clip")
    if Path(text).is_dir():
        config["text_cfg"]["hf_pooler_type"] = apart.pooler(Path(text))
    made = towers(config, seed=seed, folder=Path(text) if Path(text).is_dir() else None)
    if sigmoid:
        made.judge_alone()
    apart.fill_text(made, text)
    return Pairs(made, words, look)
