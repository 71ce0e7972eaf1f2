"""Hard negatives: those of a plain loop over a full table, the same for any number of anchors at once."""

import numpy as np
import pytest

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.vector_index import mine as module
from kontrast.vector_index.mine import Knobs, mine, plain


def unit(name, rows, width=12):
    vectors = keyed.normal(name, np.arange(rows * width)).reshape(rows, width)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


BANK = unit("bank", 150)
ANCHORS = unit("noise", 150) * 0.7 + BANK
ANCHORS /= np.linalg.norm(ANCHORS, axis=1, keepdims=True)


def by_hand(knobs):
    """[(anchor, rows, cosines)] by sorting the whole table."""
    table = ANCHORS.astype(np.float64) @ BANK.astype(np.float64).T
    found = []
    for q in range(150):
        order = [row for row in np.argsort(-table[q], kind="stable") if row != q][knobs.range_min : knobs.range_max]
        own = table[q, q]
        fitting = [
            int(row)
            for row in order
            if table[q, row] <= own - knobs.absolute_margin
            and table[q, row] <= own * (1 - knobs.relative_margin)
            and knobs.min_score <= table[q, row] <= knobs.max_score
        ]
        if len(fitting) >= knobs.negatives:
            found.append((q, fitting[: knobs.negatives]))
    return found


@pytest.mark.parametrize(
    "knobs",
    [
        Knobs(),
        Knobs(negatives=3, range_min=2, range_max=20),
        Knobs(absolute_margin=0.3, relative_margin=0.0, max_score=0.5),
        Knobs(relative_margin=0.3, min_score=0.2, negatives=2),
    ],
)
def test_negatives_are_those_of_the_whole_table(knobs):
    found = mine(ANCHORS, BANK, BANK, lambda q, row: q == row, knobs)
    assert [(q, rows) for q, rows in zip(found.anchors.tolist(), found.rows.tolist())] == by_hand(knobs)
    expected = (ANCHORS[found.anchors].astype(np.float64)[:, None] * BANK[found.rows]).sum(2)
    np.testing.assert_allclose(found.negative, expected, atol=1e-12)


@pytest.mark.parametrize("sampling", ["top", "random"])
def test_no_group_of_anchors_changes_a_bit(monkeypatch, sampling):
    bank = np.concatenate([BANK, BANK[:40], BANK[:40]])  # equal rows: rounding would decide their order
    found = []
    for group in (7, 100, 10_000):
        monkeypatch.setattr(module, "GROUP", group)
        knobs = Knobs(negatives=2, sampling=sampling)
        got = mine(ANCHORS, BANK, bank, lambda q, row: row % 150 == q, knobs, seed=3)
        found.append((got.rows.tobytes(), got.negative.tobytes(), got.positive.tobytes(), repr(got.dropped)))
    assert found[0] == found[1] == found[2]


def test_likely_positives_are_told_and_never_negatives():
    bank = BANK.copy()
    bank[10] = ANCHORS[3]  # nearer to anchor 3 than its positive
    found = mine(ANCHORS, BANK, bank, lambda q, row: q == row, Knobs())
    assert (3, 10) in [(q, row) for q, row, _, _ in found.likely] and found.dropped["likely positive"] >= 1
    place = found.anchors.tolist().index(3)
    assert 10 not in found.rows[place]
    assert found.lines()[0].startswith("cosine") and "likely positive" in found.lines()[-1]


@pytest.mark.parametrize(
    "knobs,told",
    [
        ({"range_min": 5, "range_max": 5}, "ranks from 0"),
        ({"negatives": 0}, "at least 1"),
        ({"sampling": "x"}, "top or"),
    ],
)
def test_knobs_that_mean_nothing_are_refused(knobs, told):
    with pytest.raises(Unfit, match=told):
        Knobs(**knobs)


def test_case_and_blanks_make_no_other_sentence():
    assert plain("  A  Red Dog ") == plain("a red dog") != plain("a red fox")
