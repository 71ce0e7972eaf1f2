"""Partners of the same group: keyed, fair, never the sample itself unless it is alone."""

from __future__ import annotations

import numpy as np
import pytest

from kontrast.positives.groups import Members

GROUPS = np.array([2, 0, 2, 1, 2, 0, 2, 9, 2])
USABLE = np.array([0, 1, 2, 3, 4, 5, 8])  # 6 and 7 are broken


def test_partners_are_others_of_the_group_all_equally_likely() -> None:
    members = Members.of(GROUPS, USABLE)
    drawn = np.stack([members.partner(USABLE, seed=1, epoch=epoch) for epoch in range(3000)])
    assert (GROUPS[drawn] == GROUPS[USABLE]).all()
    assert set(np.unique(drawn)) <= set(USABLE)
    for place, sample in enumerate(USABLE):
        others = [int(i) for i in USABLE if GROUPS[i] == GROUPS[sample] and i != sample]
        counts = {i: int((drawn[:, place] == i).sum()) for i in others}
        if not others:
            assert (drawn[:, place] == sample).all()
        else:
            assert sum(counts.values()) == 3000
            assert all(abs(n - 3000 / len(others)) < 150 for n in counts.values())


def test_partners_depend_on_seed_epoch_and_sample_alone() -> None:
    members = Members.of(GROUPS, USABLE)
    all_at_once = members.partner(USABLE, 3, 4)
    assert np.array_equal(all_at_once[[2, 0]], members.partner(USABLE[[2, 0]], 3, 4))
    many = [members.partner(USABLE, seed, epoch).tolist() for seed in range(4) for epoch in range(4)]
    assert len({tuple(row) for row in many}) > 8


def test_broken_samples_have_no_partner() -> None:
    with pytest.raises(ValueError, match=r"\[6\] are not among the usable"):
        Members.of(GROUPS, USABLE).partner(np.array([6]), 0, 0)
