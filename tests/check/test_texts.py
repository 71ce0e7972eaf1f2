"""Lengths, repeats and captions beyond 77 tokens, by column."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kontrast.check.texts import read
from kontrast.data.open import open_source


def test_columns_are_apart(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    long = " ".join(["it is"] * 40)
    file.write_text(f"anchor,positive\na dog,A DOG!\nthe cat,a dog\nsun,{long}\nmoon over town,the cat\n")
    texts = read(open_source(file))
    assert texts is not None and len(texts.texts) == 8
    assert texts.repeats() == [[0, 1]]  # of the positives; a word that is an anchor too is no repeat
    assert texts.short().tolist() == [2] and texts.long().tolist() == [2]
    assert texts.words() == (1, 2, 80)
    assert texts.of("anchor").texts == ["a dog", "the cat", "sun", "moon over town"]


def test_no_more_tokens_than_a_tokenizer_of_clip_makes(tmp_path: Path) -> None:
    """70 letters, x, a mark and 3 digits are 75 tokens at least, and with both ends 77."""
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(" ".join(["a"] * letters + ["x!", "123"]) for letters in (70, 71)))
    texts = read(open_source(file))
    assert texts is not None and texts.long().tolist() == [1]


def test_pictures_have_none() -> None:
    assert read(open_source(np.zeros((4, 8, 8, 3), dtype=np.uint8))) is None
