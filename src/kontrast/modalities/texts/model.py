"""A trained sentence encoder in use: sentences in, vectors out. Always fp32 and evaluation mode.

Shapes: N sentences, H features.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast.data.open import Source, open_source
from kontrast.data.readers.python import all_sentences, sentences_of
from kontrast.encoders.text.encoder import TextEncoder, embed
from kontrast.encoders.text.open import rebuilt, text_encoder
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.modalities.inference import evaluating, words_of

TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model")
ROLES = ("text", "anchor", "first")  # whose words stand for a sample, by what the source has


class TextModel:
    """An encoder with its tokenizer. `embed` for sentences, files of sentences and sources of them; see `InUse`."""

    words = True

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder

    @property
    def spec(self) -> dict[str, Any]:
        return self.encoder.spec

    @property
    def width(self) -> int:
        """H, the length of a vector."""
        return self.encoder.width

    def embed(self, data: Any) -> npt.NDArray[np.float32]:
        """Vectors (N, H): of a list of sentences, a file or table of them, or a Source (of pairs, the anchors)."""
        sentences = sentences_of(data)
        if sentences is not None:
            return self.embed_text(sentences).numpy()
        source = self.read(data)
        return self.embed_source(source, source.ids).numpy()

    def read(self, data: Any, split: str | None = None, **how: Any) -> Source:
        """The data. Unfit where they hold no sentences."""
        source = open_source(data, split=split, texts_only=True, **how)
        _role(source)
        return source

    def called(self, source: Source) -> list[str]:
        """The sentences themselves."""
        return source.texts(source.ids, _role(source))

    def asked(self, query: str) -> tuple[npt.NDArray[np.float32], Tensor | None]:
        """(the vector of words or of a text file, None)."""
        return self.embed_text([words_of(query)])[0].numpy(), None

    def embed_text(self, sentences: Sequence[str]) -> Tensor:
        """Vectors (N, H), fp32, on the CPU."""
        sentences = all_sentences(sentences)
        with evaluating(self.encoder, next(self.encoder.parameters()).device):
            return embed(self.encoder, sentences)

    def embed_source(self, source: Source, ids: Ids) -> Tensor:
        """Vectors (N, H), fp32, on the CPU, of these samples of an open source, in their order."""
        return self.embed_text(source.texts(ids, _role(source)))

    def similarity(self, a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Cosine of every row of a (M, H) with every row of b (N, H): (M, N), from -1 to 1."""
        unit_a, unit_b = (normalize(torch.as_tensor(each, dtype=torch.float32), dim=1) for each in (a, b))
        return (unit_a @ unit_b.T).numpy()

    def random(self, seed: int = 0) -> TextModel:
        """The same architecture and tokenizer with fresh random weights: what no learning gives."""
        return TextModel(rebuilt(self.spec, self.encoder.tokenizer, seed=seed))

    def with_weights(self, weights: Mapping[str, Tensor]) -> TextModel:
        """The same architecture with these weights (a state dict of the encoder)."""
        other = copy.deepcopy(self.encoder)
        other.load_state_dict(weights)
        return TextModel(other)


def _role(source: Source) -> str:
    """Whose words stand for a sample. Unfit where there are none."""
    role = next((role for role in ROLES if role in source.columns), None)
    if role is None:
        raise Unfit(f"{source.name} holds {source.kind}, and this model reads sentences.")
    return role


def holds(path: str | Path) -> bool:
    """Whether this run folder or model folder has a sentence encoder: sentence-transformers' or plain transformers'."""
    folder = _folder(path)
    if (folder / "modules.json").is_file():
        return True
    config = folder / "config.json"
    named = config.is_file() and '"model_type"' in config.read_text(encoding="utf-8")
    return named and any((folder / name).is_file() for name in TOKENIZERS)


def load_text(path: str | Path) -> TextModel:
    """The sentence encoder of a run folder, of a `model/` folder, or any of sentence-transformers or transformers."""
    return TextModel(text_encoder(str(_folder(path)), seed=0).eval())


def _folder(path: str | Path) -> Path:
    path = Path(path)
    return path / "model" if (path / "model").is_dir() else path
