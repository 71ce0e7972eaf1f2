"""A finding passes at its bound, not above it, and never without a number."""

import math

from kontrast.verify.findings import Finding


def test_what_passes():
    assert Finding("a", "b", 1e-8, 1e-8).passed and not Finding("a", "b", 1.01e-8, 1e-8).passed
    assert not Finding("a", "b", math.nan, 1.0).passed and not Finding("a", "b", math.inf, 1.0).passed
    assert Finding("a", "b", 0.5, 1.0).row() == {
        "check": "a",
        "what": "b",
        "measured": 0.5,
        "bound": 1.0,
        "passed": True,
    }
