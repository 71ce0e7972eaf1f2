"""`benchmarks/view_hashes.py`: one hash for every way to the same epoch, in processes of their own."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "view_hashes.py"


@pytest.mark.proof
def test_all_ways_to_an_epoch_have_one_hash(tmp_path: Path) -> None:
    ways = runpy.run_path(str(PROGRAM))["hashes"](tmp_path)
    fast, exact = ({told for way, told in ways.items() if way.startswith(mode)} for mode in ("fast", "exact"))
    assert len(ways) == 17 and any("killed" in way for way in ways)
    assert len(fast) == len(exact) == 1 and fast != exact
