"""From data and words to a plan: sizes from crops, facts from pictures, and what was understood."""

import numpy as np
import pytest
import torch

from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.run.plan import announce, facts_of, planned_on
from kontrast.settings import Settings

PIXELS = np.random.default_rng(0).integers(0, 256, (120, 20, 30, 3), dtype=np.uint8)


def test_facts_are_those_of_the_pictures():
    facts = facts_of(open_source(PIXELS), 100, torch.device("cpu"))
    assert (facts.n, facts.side, facts.channels, facts.gpu, facts.partners) == (100, 20, 3, False, False)


def test_the_largest_crop_is_the_picture_size_unless_that_is_said():
    plan, samples = planned_on(PIXELS, Settings(method="simclr", crops="2x20+2x12"))
    assert plan.settings.image_size == 20 and len(samples.train_ids) + len(samples.check_ids) == 120
    assert planned_on(PIXELS, Settings(method="simclr", crops="2x20+2x12", image_size=24))[0].settings.image_size == 24


def test_what_was_understood_is_said():
    lines = []
    announce(*planned_on(PIXELS, Settings(method="simclr")), lines.append)
    assert lines[0].startswith("data     array: 120 pictures") or "120 pictures" in lines[0]
    assert any(line.startswith("recipe   ") for line in lines) and lines[-1].startswith(("plan ", "      "))


@pytest.mark.parametrize(
    "asked,told",
    [
        ({"method": "simclr", "batch_size": 500}, "--batch-size 500 is more than the"),
        ({"method": "simclr", "validate": "none", "evaluate_every": 5}, "needs held-out data"),
        ({"method": "clip"}, "needs pictures with captions"),
    ],
)
def test_what_cannot_be_planned_is_told_before_the_work(asked, told):
    with pytest.raises(Unfit, match=told):
        planned_on(PIXELS, Settings(**asked))
