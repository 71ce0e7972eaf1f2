"""An engine cut into tiny tiles, so that small cases cross tile borders."""

import pytest

from kontrast.losses import redundancy
from kontrast.losses.engine import sigmoid_tiles, small_batch, tiled, tiles


@pytest.fixture(params=["small", "one tile", "tiny tiles, kept", "tiny tiles, recomputed"])
def engine(request, monkeypatch):
    """Every way there is: the file for small batches; the engine whole, in kept tiles of 5 rows, and computed again."""
    if request.param == "small":
        return request.param
    monkeypatch.setattr(small_batch, "LARGEST_ROWS", 0)
    if request.param != "one tile":
        monkeypatch.setattr(tiled, "LONGEST", {"cpu": 5})
        monkeypatch.setattr(tiled, "TILE_ENTRIES", {"cpu": 35})
        monkeypatch.setattr(tiles, "TINY", 0)
        monkeypatch.setattr(sigmoid_tiles, "TILE", 5)
        monkeypatch.setattr(redundancy, "BLOCK", 3)
    if request.param == "tiny tiles, recomputed":
        monkeypatch.setattr(tiled, "KEEP_BYTES", 0)
    return request.param
