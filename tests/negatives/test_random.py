"""Random draws: new, different, never of the batch."""

import numpy as np
import pytest

from kontrast.negatives import random


def test_random_draws_are_new_different_and_never_in_the_batch():
    ids, seen = np.arange(103) * 3 + 1, set()
    for step in range(12):
        batch = ids[step : step + 20]
        drawn = random.drawn(ids, batch, 30, 1, step)
        assert len(set(drawn.tolist())) == 30 and set(drawn.tolist()) <= set(ids.tolist()) - set(batch.tolist())
        assert np.array_equal(drawn, random.drawn(ids, batch, 30, 1, step))
        seen.add(tuple(drawn.tolist()))
    assert len(seen) == 12
    assert len(random.drawn(ids, ids[:20], 83, 1, 0)) == 83
    with pytest.raises(ValueError, match="outside of a batch"):
        random.drawn(ids, ids[:20], 84, 1, 0)
