"""What is kept comes back; what is damaged is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kontrast.check import kept


def test_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path))
    assert kept.found("a") is None
    words = ["x\udce9.png", "", "y"]
    kept.keep("a", {"numbers": np.arange(3), "words": kept.letters(words), "none": kept.letters([])})
    found = kept.found("a")
    assert found is not None and found["numbers"].tolist() == [0, 1, 2]
    assert kept.texts(found["words"]) == words and kept.texts(found["none"]) == []
    (tmp_path / "check" / "a.npz").write_bytes(b"PK damaged")
    assert kept.found("a") is None
