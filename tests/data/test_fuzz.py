"""Generated bad inputs: a source whose every sample can be used, or one sentence; no traceback, no silent change."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.data.fuzz import KINDS, case

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def judged(seed: int, folder: Path) -> bool:
    """Whether the case was read; AssertionError where it was read wrong or refused without a sentence."""
    made = case(seed, folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, of damaged files
            source = open_source(made.data, **made.how)
    except Unfit as refused:
        words = str(refused)
        assert words.isprintable() and 20 < len(words) < 1500, (seed, made.kind, words)
        assert not made.must_read, (seed, made.kind, words)
        return False
    assert len(source.ids) and all(line.isprintable() for line in (*source.messages, *source.classes, source.name)), (
        seed
    )
    assert set(source.ids.tolist()).isdisjoint({sample.id for sample in source.skipped}), seed
    if source.pictures is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert len(source.images(source.ids)) == len(source.ids)
    for role in source.columns:
        if role not in ("score", "similar"):
            assert all(text.strip() for text in source.texts(source.ids, role)), seed
            "".join(source.texts(source.ids, role)).encode()
    if made.texts is not None:
        role = "text" if "text" in source.columns else "anchor"
        assert dict(zip(source.ids.tolist(), source.texts(source.ids, role))) == made.texts, (seed, made.kind)
    for sample, values in (made.pixels or {}).items():
        if source.bits == 8 or values.dtype == np.uint16:  # else rescaled to its deeper neighbours, and said
            assert np.array_equal(source.images([sample])[0].numpy(), values), (seed, made.kind)
    return True


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])
def test_a_few_of_each_kind(kind: int, tmp_path: Path) -> None:
    for seed in range(kind, 4 * len(KINDS), len(KINDS)):
        (folder := tmp_path / str(seed)).mkdir()
        judged(seed, folder)


@pytest.mark.proof
def test_hundreds_of_each_kind() -> None:
    read = 0
    for seed in range(100 * len(KINDS)):
        with tempfile.TemporaryDirectory() as folder:
            (place := Path(folder) / "d").mkdir()
            read += judged(seed, place)
    print(f"{100 * len(KINDS)} cases: {read} read, {100 * len(KINDS) - read} refused in a sentence")
    assert 0 < read < 100 * len(KINDS)
