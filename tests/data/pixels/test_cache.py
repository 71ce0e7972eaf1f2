"""Facts about files are remembered until a file changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.hostile import folder, png

from kontrast.data.open import open_source


def test_facts_are_remembered_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kontrast.data.pixels import store

    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    data = folder(tmp_path / "data", {f"{i}.png": png(i) for i in range(9)})
    looked: list[int] = []
    real = store.look
    monkeypatch.setattr(store, "look", lambda raw, side: (looked.append(1), real(raw, side))[1])
    first = open_source(data, memory=500)
    assert len(looked) == 9
    second = open_source(data, memory=500)
    assert len(looked) == 9 and second.fingerprint == first.fingerprint
    (data / "3.png").write_bytes(png(77, height=13))
    third = open_source(data, memory=500)
    assert len(looked) == 10 and third.fingerprint != first.fingerprint and third.size is None
    assert tuple(third.images([3])[0].shape) == (3, 13, 10)
