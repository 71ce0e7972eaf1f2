"""Curves of a log."""

from __future__ import annotations

from pathlib import Path

from kontrast.report import curves


def test_long_logs_are_thinned_but_keep_the_end(tmp_path: Path) -> None:
    steps, values = curves._points([{"step": i, "x": float(i)} for i in range(100_000)], "x")
    assert len(steps) <= curves.POINTS and steps[-1] == 99_999 and values[-1] == 99_999.0
