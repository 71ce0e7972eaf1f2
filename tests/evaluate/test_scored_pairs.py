"""How often the similar one of two pairs is nearer."""

from __future__ import annotations

import math

import pytest

from kontrast.evaluate.scored_pairs import auc_interval, pair_auc


def test_pair_auc_counts_pairs_and_ties_as_halves() -> None:
    likeness, similar = [0.9, 0.2, 0.2, 0.5, 0.1], [1, 1, 0, 0, 0]
    near, far = ([value for value, alike in zip(likeness, similar) if alike == kind] for kind in (1, 0))
    wins = [(a > b) + 0.5 * (a == b) for a in near for b in far]
    assert pair_auc(likeness, similar) == pytest.approx(sum(wins) / len(wins))
    assert math.isnan(pair_auc(likeness, [1] * 5))
    low, high = auc_interval(0.8, 50, 50)
    assert 0.7 < low < 0.8 < high < 0.9 and auc_interval(1.0, 5, 5) == [1.0, 1.0]
