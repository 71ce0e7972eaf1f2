"""Copies of pictures are found by what they look like from afar: re-encoded, resized, cropped, brightened."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.vector_index.build import build
from kontrast.vector_index.layout import Meta
from kontrast.vector_index.looks import raw, whitening
from kontrast.vector_index.pairs import near_pairs
from kontrast.vector_index.shards import Wanted


def scene(number):
    """A picture of some soft spots."""
    coarse = keyed.uniform("scene", number, np.arange(5 * 5 * 3)).reshape(5, 5, 3)
    return Image.fromarray((coarse * 200).astype(np.uint8)).resize((48, 48), Image.Resampling.BICUBIC)


def copied(picture, how):
    if how == 0:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=60)
        return Image.open(file).convert("RGB")
    if how == 1:
        return picture.resize((32, 32))
    if how == 2:
        return picture.crop((2, 2, 46, 46)).resize((48, 48))
    return ImageEnhance.Brightness(picture).enhance(1.2)


@pytest.fixture
def index(tmp_path):
    pictures = [scene(number) for number in range(200)]
    source = open_source(pictures + [copied(pictures[n], n % 4) for n in range(60)])
    wanted = Wanted(source, lambda _, ids: torch.ones(len(ids), 2))  # a model that sees nothing
    meta = Meta("m", "w", "d", 260, 2, 64, "float32", 1, 32, "")
    return build(tmp_path / "i", meta, wanted).index


def test_planted_copies_are_found_and_nothing_else(index):
    near = near_pairs(index, 0.7, by="looks")
    right = [second - first == 200 for first, second in zip(near.first, near.second)]
    assert sum(right) >= 0.95 * 60 and len(right) - sum(right) <= 0.01 * len(right)


def test_white_signatures_vary_alike_in_all_directions(index):
    signature = raw(index)
    white = (signature - whitening(signature).mean) @ whitening(signature).turn
    variance = np.var(white, axis=0)
    assert variance.max() < 1.01 and (variance > 0.9).sum() > 60  # a scene is 75 numbers


def test_sentences_have_no_looks(tmp_path):
    source = open_source(["a", "b", "c"])
    index = build(tmp_path / "t", Meta("m", "w", "d", 3, 3, 2, "float32", 1, 0, "text"),
                  Wanted(source, lambda _, ids: torch.eye(3)[torch.as_tensor(ids)])).index  # fmt: skip
    with pytest.raises(Unfit, match="keeps no pictures"):
        near_pairs(index, 0.9, by="looks")
