"""`queue:4096+mixed:64` and its Python form say the same, and mistakes are told."""

import pytest

from kontrast.errors import Unfit
from kontrast.negatives import Debiased, Mined, Mixed, Negatives, Queue, Random, Reweighted, parsed


def test_the_two_forms_agree():
    made = Queue(4096) + Mixed(top=64) + Reweighted(1) + Debiased(0.1) + Random(128) + Mined(32)
    text = "queue:4096+mixed:64+reweighted:1+debiased:0.1+random:128+mined:32"
    assert parsed(text) == made == Negatives(4096, 128, 32, 64, 1.0, 0.1)
    assert parsed(str(made)) == made and parsed("") == Negatives() and str(Negatives()) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("queues:4", "known are queue:NUMBER"),
        ("queue", "needs a number"),
        ("queue:many", "queue:4096"),
        ("queue:4+queue:5", "said twice"),
        ("queue:-4", "at least 0"),
        ("debiased:1", r"debiased in \[0, 1\)"),
        ("mined:5", "add queue:N or random:N"),
    ],
)
def test_mistakes_are_told(text, says):
    with pytest.raises(Unfit, match=says):
        parsed(text)
