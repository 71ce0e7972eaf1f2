"""Wilson's interval by scipy."""

from __future__ import annotations

import pytest

from kontrast.evaluate.intervals import wilson


def test_wilson_by_scipy() -> None:
    from scipy.stats import binomtest

    for hits, count in ((0, 10), (7, 10), (340, 360), (360, 360)):
        right = binomtest(hits, count).proportion_ci(method="wilson")
        assert wilson(hits / count, count) == pytest.approx([right.low, right.high], abs=1e-6)
