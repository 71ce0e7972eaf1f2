"""Samples left out by name keep their ids, and are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.hostile import folder, png

from kontrast.data.exclude import without
from kontrast.data.open import open_source
from kontrast.errors import Unfit


def test_named_samples_are_not_used(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", {f"train/{i}.png": png(i) for i in range(4)} | {"test/x.png": png(9)})
    source, file = open_source(data), tmp_path / "out.txt"
    file.write_text("train/1.png\n\ntest/x.png\nnot there.png\n")
    left = without(source, file)
    assert list(left.names) == list(source.names) and [left.names[i] for i in left.ids] == [
        "train/0.png", "train/2.png", "train/3.png",
    ]  # fmt: skip
    assert [one.name for one in left.skipped] == ["test/x.png", "train/1.png"]
    assert left.splits["test"].tolist() == [] and left.fingerprint != source.fingerprint
    assert "2 left out" in left.messages[-1] and "1 of its names" in left.messages[-1]


def test_a_file_that_helps_nothing_is_told(tmp_path: Path) -> None:
    source, file = open_source(folder(tmp_path / "data", {"a.png": png()})), tmp_path / "out.txt"
    with pytest.raises(Unfit, match=r"--exclude .* cannot be read"):
        without(source, file)
    file.write_text("b.png\n")
    with pytest.raises(Unfit, match="none of its 1 names"):
        without(source, file)
    file.write_text("a.png\n")
    with pytest.raises(Unfit, match="leaves nothing"):
        without(source, file)
    file.write_text("")
    assert without(source, file) is source
