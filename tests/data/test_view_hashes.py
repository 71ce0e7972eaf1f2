"""`benchmarks/view_hashes.py`: one hash for every way to the same epoch, and another one for another epoch's views."""

from __future__ import annotations

import runpy
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "view_hashes.py"


def test_all_ways_to_an_epoch_have_one_hash(tmp_path: Path) -> None:
    program = runpy.run_path(str(PROGRAM))
    source = program["files"](tmp_path)
    fast, exact = (program["hashes"](source, mode) for mode in ("fast", "exact"))
    assert len(fast) == 7 and len(set(fast.values())) == 1
    assert len(set(exact.values())) == 1 and fast["0 workers, 1 process"] != exact["0 workers, 1 process"]
