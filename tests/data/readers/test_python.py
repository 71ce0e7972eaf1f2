"""Python's own data are read as the same data from a file, or refused with their place."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.data.hostile import folder, pixels, png

from kontrast.data.open import open_source
from kontrast.data.readers.python import sentences_of
from kontrast.errors import Unfit

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (4, 8, 9, 3), dtype=np.uint8)
WORDS = [f"a sentence number {i}" for i in range(12)]


@pytest.mark.parametrize(
    "make",
    [
        np.asfortranarray,
        lambda a: np.flip(np.flip(a, 1).copy(), 1),
        lambda a: a.astype(np.int64),
        lambda a: a.astype(">i4"),
        lambda a: a.astype(np.uint32),
        np.ma.masked_array,
        lambda a: a.transpose(0, 3, 1, 2),
        lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
        lambda a: torch.from_numpy(a).permute(0, 3, 1, 2),
        list,
        lambda a: [p.transpose(2, 0, 1) for p in a],
        lambda a: [np.asfortranarray(p) for p in a],
        lambda a: list(a.astype(np.int64)),
        lambda a: [torch.from_numpy(p).permute(2, 0, 1) for p in a],
        lambda a: [Image.fromarray(p) for p in a],
        tuple,
        lambda a: list(a.astype(np.float64) / 255),
        lambda a: a.astype(np.float64) / 255,
        lambda a: a.astype(np.float32) / 255,
    ],
)
def test_every_layout_and_type_is_the_same_pictures(make: Any) -> None:
    plain, other = open_source(RGB), open_source(make(RGB))
    assert torch.equal(plain.images([0, 2, 3]), other.images([0, 2, 3])) and other.bits == 8
    assert list(plain.digests.values()) == list(other.digests.values())


@pytest.mark.parametrize(
    "make", [lambda a: a.astype(">u2"), np.asfortranarray, list, lambda a: list(a.astype(np.int32))]
)
@pytest.mark.parametrize("top", [200, 60_000])
def test_sixteen_bits_stay_so_in_any_order_of_bytes(make: Any, top: int) -> None:
    deep = RNG.integers(0, top, (3, 6, 7, 3)).astype(np.uint16)
    other = open_source(make(deep))
    if top == 200 and other.bits == 8:
        assert torch.equal(
            other.images([0, 1]).int(), open_source(deep).images([0, 1]).int()
        )  # of int32 nobody said 16
    else:
        assert torch.equal(other.images([0, 1]), open_source(deep).images([0, 1]))


def test_small_floats_are_rounded_as_large_ones() -> None:
    for half in (np.float16, torch.bfloat16):
        values = torch.linspace(0, 1, 3 * 64).reshape(3, 8, 8)
        small = values.to(half) if half is torch.bfloat16 else values.numpy().astype(half)
        exact = (small.double().numpy() if half is torch.bfloat16 else small.astype(np.float64)) * 255
        assert np.array_equal(open_source(small).images([0, 1, 2])[:, 0].numpy(), np.rint(exact))


def test_grey_and_opacity_in_lists() -> None:
    grey = RGB[..., :1]
    assert torch.equal(open_source(list(grey)).images([1]), open_source(grey).images([1]))
    assert torch.equal(open_source(list(grey[..., 0])).images([1]), open_source(grey).images([1]))
    clear = np.concatenate([RGB, np.zeros_like(grey)], axis=3)
    assert (open_source(list(clear)).images([0]) == 255).all()
    assert (open_source(list(clear.astype(np.uint16))).images([0]) == 65535).all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([RGB[0], np.zeros((8, 8, 5), np.uint8)], "item 1 has 5 channels"),
        ([RGB[0], np.zeros(8, np.uint8)], r"item 1 of shape \(8,\)"),
        ([RGB[0], np.full((8, 8), 2.0)], "item 1 holds floats from 2 to 2"),
        ([RGB[0], np.zeros((8, 8), complex)], "item 1 of type complex128"),
        ([RGB[0], np.zeros((8, 8))], "mixes arrays of float64, uint8"),
        ([RGB[0], np.full((8, 8), np.nan)], "item 1 holds floats from nan"),
        ([RGB[0], -np.ones((8, 8), np.int64)], "item 1 holds whole numbers from -1"),
        (np.ma.masked_array(RGB, RGB > 9), "masked values"),
        (torch.zeros(3, 8, 8).to_sparse(), "cannot be read as pixels"),
        (["words here", 3], "item 1 is int"),
        ([("a", "b")], "item 0 is tuple"),
        ({"text": 5}, "column 'text' is int"),
        ({"text": ["a"], "label": [1, 2]}, "its columns have 1, 2 values"),
        (np.array([[["a"]]]), "of type"),
        (None, "not NoneType"),
        ({1, 2}, "not set"),
        ("", "an empty name"),
        ("  ", "an empty name"),
        (b"ab", "not bytes"),
    ],
)
def test_what_is_no_data_names_its_place(data: Any, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        open_source(data)


def test_nothing_in_a_list_is_a_skipped_sample() -> None:
    source = open_source([RGB[0], None, float("nan"), RGB[1]])
    assert source.ids.tolist() == [0, 3] and [s.name for s in source.skipped] == ["item 1", "item 2"]


def test_sentences_in_every_dress(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    (tmp_path / "a.txt").write_text("\n".join(WORDS))
    file = open_source(tmp_path / "a.txt")
    for data in (
        WORDS,
        tuple(WORDS),
        np.array(WORDS),
        np.array(WORDS, object),
        pandas.Series(WORDS),
        pandas.Index(WORDS),
        pandas.Series(WORDS, dtype="category"),
        pandas.DataFrame({"text": WORDS}),
        {"text": WORDS},
        [{"text": w} for w in WORDS],
        pandas.Series(WORDS, index=range(50, 62)),
    ):
        source = open_source(data)
        assert source.kind == "texts" and source.texts(source.ids) == WORDS and source.fingerprint == file.fingerprint
    holes = [WORDS[0], None, float("nan"), WORDS[1], pandas.NA, ""]
    for data in (holes, pandas.Series(holes), pandas.DataFrame({"text": holes}), np.array(holes, object)):
        source = open_source(data)
        assert source.ids.tolist() == [0, 3] and len(source.skipped) == 4


@given(
    st.lists(
        st.tuples(st.text("ab é\u2028,\"'", min_size=1, max_size=9), st.sampled_from(["x", "y", "1"])),
        min_size=1,
        max_size=8,
    )
)
def test_a_frame_is_the_file_that_it_would_be(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path_factory.mktemp("f") / "a.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    try:
        written = open_source(path)
    except Unfit as refused:
        with pytest.raises(Unfit, match="cannot be used"):
            open_source(pandas.DataFrame(rows, columns=["text", "label"]))
        assert "cannot be used" in str(refused)
        return
    frame = open_source(pandas.DataFrame(rows, columns=["text", "label"]))
    assert frame.fingerprint == written.fingerprint and frame.classes == written.classes
    assert frame.labels.tolist() == written.labels.tolist() and frame.ids.tolist() == written.ids.tolist()


def test_frames_of_pictures_labels_and_doubles(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    data = folder(tmp_path, {"1.png": png(1), "2.png": png(2)})
    frame = pandas.DataFrame({"image": [str(data / "1.png"), str(data / "2.png"), None], "label": [1, None, 2]})
    source = open_source(frame)
    assert source.ids.tolist() == [0, 1] and source.labels.tolist() == [0, -1, 1] and source.classes == ("1", "2")
    inside = open_source(
        pandas.DataFrame({"image": [png(1), png(2)], "captions": [np.array(["a", "b"], object), ["c"]]})
    )
    assert inside.kind == "pairs" and inside.captions([0]) == [["a", "b"]]
    assert np.array_equal(open_source([png(1)]).images([0])[0].numpy(), pixels(seed=1).transpose(2, 0, 1))
    with pytest.raises(Unfit, match="two columns called 'text'"):
        open_source(pandas.DataFrame([["a", "b"]], columns=["text", "text"]))
    with pytest.raises(Unfit, match="no rows"):
        open_source(pandas.DataFrame({"text": []}))
    listed = open_source([str(data / "gone.png"), str(data / "1.png")], labels=["x", None])
    assert listed.kind == "images" and listed.ids.tolist() == [1] and listed.labels.tolist() == [0, -1]


def test_what_is_asked_for_a_vector_is_a_sentence() -> None:
    pandas = pytest.importorskip("pandas")
    for data in (["a b"], pandas.Series(["a b"]), np.array(["a b"]), ("a b",)):
        assert sentences_of(data) == ["a b"]
    assert sentences_of("a b") is sentences_of(RGB) is None
    for item, words in (
        (None, "item 1 is NoneType"),
        (float("nan"), "item 1 is float"),
        (3, "item 1 is int"),
        ("\ud83d", "half a letter"),
    ):
        with pytest.raises(Unfit, match=words):
            sentences_of(["a", item])
