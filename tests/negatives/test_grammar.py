"""`queue:4096+mixed:64` and its Python form say the same, and mistakes are told."""

import pytest

from kontrast.errors import Unfit
from kontrast.negatives import (
    Debiased,
    Guided,
    Mined,
    Mixed,
    Negatives,
    Queue,
    Random,
    Reweighted,
    Rules,
    check_fits,
    parsed,
)


def test_the_two_forms_agree():
    made = Queue(4096) + Mixed(top=64) + Reweighted(1) + Debiased(0.1) + Random(128) + Mined(32)
    text = "queue:4096+mixed:64+reweighted:1+debiased:0.1+random:128+mined:32"
    assert parsed(text) == made == Negatives(4096, 128, 32, 64, 1.0, 0.1)
    made += Rules("number,order") + Guided("runs/my run", margin=0.2)
    assert parsed(f"{text}+rules:number,order + guide:runs/my run+margin:0.2") == made
    assert parsed(str(made)) == made and parsed("") == Negatives() and str(Negatives()) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("queues:4", "known are queue:4096"),
        ("queue", "needs a value"),
        ("queue:many", "queue:4096"),
        ("queue:4+queue:5", "said twice"),
        ("queue:-4", "at least 0"),
        ("debiased:1", r"debiased in \[0, 1\)"),
        ("mined:5", "add queue:N or random:N"),
        ("margin:0.1", "add guide:FOLDER"),
        ("guide:", "needs a value, such as guide:runs/other"),
    ],
)
def test_mistakes_are_told(text, says):
    with pytest.raises(Unfit, match=says):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "method", "kind", "says"),
    [
        ("rules:all", "simclr", "images", "reads images"),
        ("guide:runs/x", "moco-v2", "images", "compares with its queue"),
        ("random:8", "clip", "pairs", "raise --batch-size"),
    ],
)
def test_what_means_nothing_to_a_method_is_refused(text, method, kind, says):
    with pytest.raises(Unfit, match=says):
        check_fits(parsed(text), method, kind)
