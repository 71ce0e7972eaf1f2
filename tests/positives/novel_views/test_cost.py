import pytest

from kontrast.positives.novel_views import cost
from kontrast.positives.novel_views.cost import Cost

FOUND = Cost(step=0.5, render=2.0, steps=20, psnr=18.0)


def test_steps_fit_into_the_minutes():
    assert FOUND.affordable(2, renders=10) == 200  # 120 s, less 20 s
    assert FOUND.minutes(200, 10) == pytest.approx(2.0)
    assert FOUND.affordable(1e6, 10) == cost.MOST and FOUND.affordable(0.01, 10) == cost.FEWEST


def test_more_steps_promise_more():
    assert FOUND.expected(20) == 18.0 < FOUND.expected(100) < FOUND.expected(200)


def test_a_trial_measures_all_stages(capture):
    found = cost.tried(capture, "random", 0, seconds=0.5)
    assert found.steps >= 1 and found.step > 0 and found.render > 0 and 3 < found.psnr < 40
