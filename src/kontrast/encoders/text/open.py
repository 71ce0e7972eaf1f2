"""Sentence encoders: a model folder of somebody else, our small transformer, or a table of word vectors.

    small     BERT's kind, 4 layers of 256, with a tokenizer trained on the user's own sentences
    static    one vector per token, averaged: for laptops, hundreds of times faster than a large transformer
    FOLDER    a Hugging Face or sentence-transformers folder; its pooling and length are read from it
    NAME      of a model on the Hugging Face hub, fetched only if pretrained weights are asked for

Tokens go in, {"input_ids", "attention_mask"} of (B, L) and, while training, {"dropout"} (B,): the key of each row's
dropout masks. Without keys nothing is dropped. Features (B, H) come out; how a batch was padded changes nothing.

Shapes: B texts, L tokens of the longest, H features (`encoder.width`), N texts of a whole set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from kontrast.encoders.text import tokens as tokenizers
from kontrast.encoders.text.bert import Bert, Shape
from kontrast.encoders.text.encoder import STATIC_WIDTH, UNLIMITED, Net, Table, TextEncoder
from kontrast.encoders.text.folders import Foreign, fetched, from_folder
from kontrast.encoders.text.tokens import Tokenizer
from kontrast.errors import Unfit


def text_encoder(
    name: str,
    *,
    texts: Sequence[str] = (),
    seed: int,
    pretrained: bool = False,
    pooler: str | None = None,
) -> TextEncoder:
    """Build a sentence encoder by name. The same seed and texts give the same weights and tokenizer.

    texts   what a tokenizer is trained on, for "small" and "static"
    pooler  one of `POOLERS`; by default the folder's own, else "mean"

    Raises Unfit for a name that is neither ours nor a folder, and when the hub cannot be reached.
    """
    if name in ("small", "static"):
        if pretrained:
            raise Unfit(f'The encoder "{name}" has no published weights: leave --pretrained out.')
        return _own(name, texts, seed, pooler)
    folder = Path(name)
    if not folder.is_dir():
        folder = fetched(name, pretrained)
    return from_folder(folder, pooler=pooler, seed=seed, name=name)


def _own(name: str, texts: Sequence[str], seed: int, pooler: str | None) -> TextEncoder:
    if name == "static" and pooler not in (None, "mean"):
        raise Unfit(f'The encoder "static" averages its word vectors: --pooler mean, not {pooler}.')
    if not texts:
        raise ValueError(f"texts: the tokenizer of {name!r} is trained on sentences, and none were given.")
    longest = Shape().positions if name == "small" else UNLIMITED
    tokenizer = tokenizers.trained(texts, max_length=longest, special=name == "small")
    shape = (
        asdict(Shape(vocabulary=tokenizer.size))
        if name == "small"
        else {"vocabulary": tokenizer.size, "width": STATIC_WIDTH}
    )
    spec = {
        "name": "bert" if name == "small" else "static",
        "shape": shape,
        "width": shape["width"],
        "pooler": pooler or "mean",
        "normalize": False,
        "max_length": longest,
        "lower": False,
    }
    messages = (f"tokenizer: {tokenizer.size:,} word pieces, trained on {len(texts):,} texts",)
    net = _net(spec, seed)
    if isinstance(net, Table):
        net.weigh(torch.from_numpy(tokenizer.found_in(texts)), len(texts))
    return TextEncoder(net, tokenizer, spec, messages, seed=seed)


def rebuilt(spec: dict[str, Any], tokenizer: Tokenizer, *, seed: int = 0) -> TextEncoder:
    """The encoder of a `spec`, with fresh weights; load a state dict into it."""
    return TextEncoder(_net(spec, seed), tokenizer, spec, seed=seed)


def _net(spec: dict[str, Any], seed: int) -> Net:
    if spec["name"] == "bert":
        return Bert(Shape(**spec["shape"]), seed=seed)
    if spec["name"] == "static":
        return Table(spec["shape"]["vocabulary"], spec["shape"]["width"], seed=seed)
    return Foreign.of(spec["config"], seed)
