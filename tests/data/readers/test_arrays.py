"""Arrays in every layout, and the digits with a split that never changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.data.open import open_source
from kontrast.errors import Unfit

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((5, 8, 9), 1), ((5, 8, 9, 3), 3), ((5, 3, 8, 9), 3), ((5, 8, 9, 1), 1), ((5, 1, 8, 9), 1), ((5, 13, 20, 20), 13)],
)
def test_every_layout(shape: tuple[int, ...], channels: int) -> None:
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    source = open_source(array)
    got = source.images([4, 0]).numpy()
    assert source.channels == channels and got.shape[:2] == (2, channels) and source.kind == "images"
    expected = array[[4, 0]].reshape(got.shape) if shape[-1] > 3 else array[[4, 0]].transpose(0, 3, 1, 2)
    assert np.array_equal(got, expected)


def test_an_ambiguous_layout_is_read_as_the_library_has_it_and_said() -> None:
    array = RNG.integers(0, 256, (2, 3, 5, 3), dtype=np.uint8)
    assert open_source(array).size == (3, 5) and open_source(torch.from_numpy(array)).size == (5, 3)
    assert any("(N, H, W, C)" in line for line in open_source(array).messages)


def test_numbers_of_other_types() -> None:
    deep = RNG.integers(0, 4096, (3, 6, 6)).astype(np.uint16)
    assert open_source(deep).images([1]).dtype == torch.uint16 and open_source(deep).bits == 16
    floats = open_source(np.linspace(0, 1, 48).reshape(3, 4, 4))
    assert floats.images([0, 1, 2]).flatten()[[0, -1]].tolist() == [0, 255] and "scaled" in floats.messages[-1]
    assert "taken as uint8" in open_source(RNG.integers(0, 256, (3, 4, 4))).messages[-1]
    assert open_source(np.eye(4, dtype=bool)[None]).images([0]).max() == 255


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((2, 4, 4), 16.0), "floats from 16 to 16"),
        (np.full((2, 4, 4), np.nan), "floats from nan"),
        (np.full((2, 4, 4), -1), "whole numbers from -1"),
        (np.zeros((4, 64), np.uint8), r"shape \(4, 64\)"),
        (np.zeros((0, 8, 8), np.uint8), "holds no pictures"),
        (np.array([["a"]])[None], "of type"),
        ([1, 2], "item 0 is int"),
        ([], "holds no pictures"),
        (5, "not int"),
    ],
)
def test_what_is_no_picture_is_refused(array: object, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        open_source(array)


def test_a_list_of_pictures_of_any_kind(tmp_path: Path) -> None:
    array = RNG.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    source = open_source([tmp_path / "a.png", Image.fromarray(array[:4]), array[:, :, 0], str(tmp_path / "gone.png")])
    assert source.ids.tolist() == [0, 1, 2] and source.skipped[0].reason.startswith("cannot be read (No such file")
    first, second, third = (picture.numpy() for picture in source.images([0, 1, 2]))
    assert np.array_equal(first, array.transpose(2, 0, 1)) and np.array_equal(second, first[:, :4])
    assert np.array_equal(third, np.stack([array[:, :, 0]] * 3))
    assert torch.equal(open_source(tmp_path / "a.png").images([0])[0], torch.from_numpy(first))


def test_labels_one_a_row() -> None:
    array = np.zeros((3, 4, 4), np.uint8)
    source = open_source(array, labels=["b", "a", None])
    assert source.labels.tolist() == [1, 0, -1] and source.classes == ("a", "b")
    assert open_source(array, labels=[10, 9, 10]).classes == ("9", "10")
    with pytest.raises(Unfit, match="do not fit"):
        open_source(array, labels=[1, 2])
    with pytest.raises(Unfit, match="no column"):
        open_source(array, labels="folder")


def test_channels_are_turned() -> None:
    array = RNG.integers(0, 256, (2, 4, 4), dtype=np.uint8)
    assert torch.equal(open_source(array, channels=3).images([1])[0, 2], torch.from_numpy(array[1]))


def test_digits_split_never_changes() -> None:
    train, test = open_source("digits"), open_source("digits", split="test")
    assert len(train) == 1797 and len(train.ids) == 1437 and len(test.ids) == 360
    assert not set(train.ids) & set(test.ids)
    assert hashlib.sha256(test.ids.astype("<i8").tobytes()).hexdigest()[:16] == "003c1e13d6dae62a"
    assert train.channels == 1 and train.size == (8, 8) and len(train.classes) == 10
    pixels = train.images(train.ids)
    assert pixels.dtype == torch.uint8 and pixels.min() == 0 and pixels.max() == 255
    assert np.bincount(test.labels[test.ids], minlength=10).min() >= 25
    with pytest.raises(Unfit, match="train, test and all"):
        open_source("digits", split="dev")
    assert open_source("digits", same="label").groups.tolist() == train.labels.tolist()


def test_an_npy_file_without_pickles(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 4, 4), np.uint8))
    assert len(open_source(tmp_path / "a.npy")) == 2
    np.save(tmp_path / "b.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(Unfit, match="NumPy array"):
        open_source(tmp_path / "b.npy")
