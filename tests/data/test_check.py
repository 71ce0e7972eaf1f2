"""Facts before the first step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.data.hostile import folder, png

from kontrast.data.check import check
from kontrast.data.open import open_source


def test_repeats_and_broken_files_are_found(tmp_path: Path) -> None:
    folder(tmp_path, {"a.png": png(1), "b.png": png(2), "c.png": png(1), "d.png": b"", "e.png": png(1)})
    facts = check(open_source(tmp_path))
    assert facts.samples == 5 and facts.usable == 4 and facts.repeats == [[0, 2, 4]]
    lines = "\n".join(facts.lines())
    assert (
        "1 of 5 cannot be used" in lines and "d.png: the file is empty" in lines and "2 exact repeats (50.0%)" in lines
    )


def test_what_train_and_test_share(tmp_path: Path) -> None:
    train = open_source(folder(tmp_path / "a", {f"{i}.png": png(i) for i in range(6)}))
    test = open_source(folder(tmp_path / "b", {f"x{i}.png": png(i) for i in range(4, 9)}))
    assert check(train, test).shared == 2 and check(train).shared is None
    assert "2 samples are in the test data too" in "\n".join(check(train, test).lines())


def test_bits_in_use_classes_and_silence() -> None:
    deep = np.random.default_rng(0).integers(0, 4096, (9, 6, 6)).astype(np.uint16)
    facts = check(open_source(deep, labels=[0] * 4 + [1] * 5))
    assert facts.white == 4095 and facts.classes == {"0": 4, "1": 5} and "12 bits" in facts.lines()[0]
    fine = check(open_source("digits"))
    assert fine.white == 255 and fine.lines() == [] and fine.sizes == {(8, 8): 1797}


def test_words_of_texts(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("one\none two three\none\none two three four five\n")
    facts = check(open_source(tmp_path / "s.txt"))
    assert facts.words == (1, 2, 5) and facts.repeats == [[0, 2]]
    assert "1 to 5" in facts.lines()[-1]
