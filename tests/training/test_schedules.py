"""Schedules at the points where their value is known."""

from __future__ import annotations

import math

import pytest

from kontrast.training import schedules
from kontrast.training.schedules import by_epoch, constant, cosine, linear, step


@pytest.mark.parametrize("schedule", [cosine, linear, constant])
def test_warm_up_is_a_straight_line_from_start_to_one(schedule: schedules.Schedule) -> None:
    rate = schedule(110, warmup=10, start=0.2)
    assert [rate(step) for step in (0, 5, 10)] == pytest.approx([0.2, 0.6, 1.0])
    assert schedule(100)(0) == 1.0


def test_cosine_falls_from_one_to_its_end() -> None:
    rate = cosine(110, warmup=10, end=0.1)
    assert rate(60) == pytest.approx(0.55)
    assert rate(35) == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert rate(110) == pytest.approx(0.1)
    assert all(rate(step) > rate(step + 1) for step in range(10, 110))


def test_linear_and_constant() -> None:
    assert [linear(110, warmup=10, end=0.5)(step) for step in (10, 60, 110)] == pytest.approx([1.0, 0.75, 0.5])
    assert [constant(10)(step) for step in (0, 9)] == [1.0, 1.0]


def test_mocos_rate_falls_at_120_and_160_of_200_epochs() -> None:
    rate = step(2000)
    assert [rate(step) for step in (0, 1199, 1200, 1599, 1600, 1999)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_by_epoch_moves_once_an_epoch() -> None:
    rate, smooth = by_epoch(cosine(100), 10), cosine(100)
    assert [rate(step) for step in (0, 9, 10, 19)] == [smooth(0), smooth(0), smooth(10), smooth(10)]


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup must be between 0 and the 10 steps"):
        cosine(10, warmup=11)
