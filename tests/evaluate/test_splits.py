"""Halves of labelled data."""

from __future__ import annotations

import numpy as np

from kontrast import keyed
from kontrast.evaluate import splits


def test_halves_are_stratified_and_by_key() -> None:
    label = keyed.below(4, "test halves", np.arange(101))
    bank, test = splits.halves(label, 0, 0)
    assert sorted([*bank, *test]) == list(range(101))
    for one in range(4):
        assert 0 <= (label[bank] == one).sum() - (label[test] == one).sum() <= 1
    assert set(bank) != set(splits.halves(label, 0, 1)[0])
