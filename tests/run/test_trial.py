"""A trial is the run itself for a while: its steps, and what they say of the whole."""

from __future__ import annotations

import pytest

from kontrast import train
from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.run.trial import LEAST, estimated
from kontrast.settings import Settings

WORDS = {"method": "simclr", "encoder": "small", "batch_size": 64, "threads": 1, "device": "cpu", "epochs": 2}


def test_it_counts_the_steps_of_the_whole_run() -> None:
    found = estimated(open_source("digits"), Settings(**WORDS), 2, 0.0)
    run = train("digits", say=[].append, dry_run=True, **WORDS)
    assert run.plan.settings.requested()["epochs"] == found["epochs"]
    assert found["steps"] == 44 and found["epochs"] == 2 and found["method"] == "simclr"
    assert found["measured_steps"] >= LEAST and found["memory_bytes"] > 1 << 27
    whole = found["steps"] * found["seconds_per_step"]
    assert whole <= found["seconds"] < 5 * whole + 20


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(Unfit, match="batch-size"):
        estimated(open_source("digits"), Settings(**{**WORDS, "batch_size": 5000}), 1, 0.0)
