"""Pictures in memory, or decoded when they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.data.hostile import folder, png

from kontrast.data.open import open_source
from kontrast.data.pixels.store import InMemory, OnDemand


def test_mixed_sizes_are_a_list(tmp_path: Path) -> None:
    folder(tmp_path, {"a.png": png(1), "b.png": png(2, height=5, width=7)})
    source = open_source(tmp_path)
    assert source.size is None and [tuple(p.shape) for p in source.images([1, 0])] == [(3, 5, 7), (3, 12, 10)]


def test_what_does_not_fit_memory_is_the_same_decoded_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    files = {f"{i:03d}.png": png(i) for i in range(40)} | {"010.png": b"broken"}
    data = folder(tmp_path / "data", files)
    kept, later = open_source(data), open_source(data, memory=5000)
    assert isinstance(kept.pictures, InMemory) and isinstance(later.pictures, OnDemand)
    assert any("decoded when needed" in line for line in later.messages)
    assert kept.fingerprint == later.fingerprint and kept.ids.tolist() == later.ids.tolist()
    for workers in (0, 1, 3):
        assert torch.equal(kept.images(kept.ids), later.images(kept.ids, workers=workers))
