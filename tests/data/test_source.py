"""A source of data: what it is known by, and what is kept back of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.hostile import folder, png

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def test_the_fingerprint_moves_with_names_and_bytes_only(tmp_path: Path) -> None:
    first = open_source(folder(tmp_path / "a", {"x.png": png(1), "y.png": png(2)})).fingerprint
    assert open_source(folder(tmp_path / "b", {"x.png": png(1), "y.png": png(2)})).fingerprint == first
    assert open_source(folder(tmp_path / "c", {"x.png": png(2), "y.png": png(1)})).fingerprint != first
    assert open_source(folder(tmp_path / "d", {"x.png": png(1), "z.png": png(2)})).fingerprint != first


def test_held_out_parts_are_disjoint_and_stable(tmp_path: Path) -> None:
    source = open_source(np.random.default_rng(0).integers(0, 256, (100, 4, 4), dtype=np.uint8))
    train, held = source.held_out(0.1, seed=3)
    assert len(held) == 10 and not set(train) & set(held) and len(train) + len(held) == 100
    assert np.array_equal(source.held_out(10, seed=3)[1], held)
    assert not np.array_equal(source.held_out(0.1, seed=4)[1], held)
    for share in (0.001, 100, 1.0):
        if share == 1.0:
            assert len(source.held_out(share, 0)[1]) == 1  # a whole number is a count
        else:
            with pytest.raises(Unfit, match="hold out"):
                source.held_out(share, 0)
