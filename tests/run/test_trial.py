"""A trial is the run itself for a while: its steps, and what they say of the whole."""

from __future__ import annotations

import time

import pytest

from kontrast import train
from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.run.trial import LEAST, estimated
from kontrast.settings import Settings

WORDS = {"method": "simclr", "encoder": "small", "batch_size": 64, "threads": 1, "device": "cpu", "epochs": 2}


def test_it_tells_what_the_run_then_takes() -> None:
    """Within a factor: on a machine that others use a step is twice as long a moment later."""
    found = estimated(open_source("digits"), Settings(**WORDS), 2, 0.0)
    began = time.monotonic()
    run = train("digits", say=[].append, max_minutes=1, out=None, dry_run=True, **WORDS)
    assert run.plan.settings.batch_size == 64 and time.monotonic() > began
    assert found["steps"] == 40 and found["epochs"] == 2 and found["method"] == "simclr"
    assert found["measured_steps"] >= LEAST and found["memory_bytes"] > 1 << 27
    whole = found["steps"] * found["seconds_per_step"]
    assert whole <= found["seconds"] < 5 * whole + 20


def test_decoding_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unfit, match="batch-size"):
        estimated(open_source("digits"), Settings(**{**WORDS, "batch_size": 5000}), 1, 0.0)
