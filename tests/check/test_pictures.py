"""What one look at a picture tells, whatever sizes and depths they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.check.planted import png, scene

from kontrast.check.pictures import looked
from kontrast.data.open import open_source


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))


def test_the_same_numbers_alone_and_in_a_stack_and_from_the_cache(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for i in range(5):
        (data / f"{i}.png").write_bytes(png(scene(i)))
    stack = looked(open_source(data), "stack")
    (data / "odd.png").write_bytes(png(Image.new("L", (7, 90), 200)))
    alone = looked(open_source(data), "alone")
    assert alone.size_M2.tolist() == [[48, 48]] * 5 + [[90, 7]] and alone.grey_M.tolist() == [False] * 5 + [True]
    for name in ("bright_M", "spread_M", "sharp_M"):
        assert np.allclose(vars(stack)[name], vars(alone)[name][:5], atol=1e-5)
    assert (stack.digest_M == alone.digest_M[:5]).all() and (stack.small_MS == alone.small_MS[:5]).all()
    assert alone.flat().tolist() == [5] and np.allclose(alone.bright_M[5], 200 / 255, atol=1e-5)
    assert not alone.looks()[5].any() and np.allclose(np.linalg.norm(alone.looks()[:5], axis=1), 1, atol=1e-5)
    again = looked(open_source(data), "alone")
    assert all(np.array_equal(vars(again)[name], value) for name, value in vars(alone).items())


def test_brightness_is_a_share_of_white() -> None:
    deep = np.full((3, 8, 8), 2048, dtype=np.uint16)
    found = looked(open_source(deep), "deep")
    assert np.allclose(found.bright_M, 2048 / 4095, atol=1e-4) and found.grey_M.all() and found.seconds >= 0
