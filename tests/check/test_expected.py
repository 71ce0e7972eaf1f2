"""Expected false negatives are what counting all batches gives."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from kontrast.check import expected

GROUPS = np.array([0, 0, 0, 1, 1, 2, 3, 4])


@pytest.mark.parametrize("batch", [2, 3, 5, 7, 8])
def test_all_batches(batch: int) -> None:
    pairs, rows, batches = 0, 0, list(combinations(GROUPS.tolist(), batch))
    for one in batches:
        _, many = np.unique(one, return_counts=True)
        pairs += int((many * (many - 1) // 2).sum())
        rows += int(many[many > 1].sum())
    assert expected.pairs(GROUPS, batch) == pytest.approx(pairs / len(batches))
    assert expected.rows(GROUPS, batch) == pytest.approx(rows / len(batches))


def test_nothing_repeats_and_a_batch_beyond_the_set() -> None:
    assert expected.pairs(np.arange(9), 4) == 0 and expected.rows(np.arange(9), 4) == pytest.approx(0)
    assert expected.pairs(GROUPS, 100) == expected.pairs(GROUPS, 8) == 4
