"""Few items are drawn many times: the range narrows to what other items would give, and no further."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.evaluate import suite, view_retrieval
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.view_retrieval import hit_interval
from kontrast.positives.images.papers import recipe


def hits(share_N: np.ndarray, draws: int, *key: int) -> torch.Tensor:
    drawn = keyed.uniform("hits", *key, np.arange(draws)[:, None], np.arange(len(share_N))[None])
    return torch.from_numpy(drawn < share_N)


def test_one_draw_is_wilsons_interval() -> None:
    seen = hits(np.full(300, 0.4), 1)
    share, around = hit_interval(seen)
    assert share == seen.double().mean() and around == wilson(share, 300)


def test_the_range_holds_the_share_of_the_population_in_95_of_100_sets() -> None:
    """Items whose own shares are uniform from 0 to 0.8: their population has 0.4."""
    inside, widths = 0, []
    for number in range(300):
        share_N = 0.8 * keyed.uniform("items", number, np.arange(40))
        _, (low, high) = hit_interval(hits(share_N, 50, number))
        inside += low <= 0.4 <= high
        widths.append(high - low)
    assert 275 <= inside <= 297
    assert np.mean(widths) < 0.6 * np.diff(wilson(0.4, 40)).item()  # sd of the shares .23 beside .49 of one draw


def test_nothing_found_and_all_found_keep_the_range_of_so_many_items() -> None:
    for value in (0, 1):
        assert hit_interval(torch.full((20, 30), value, dtype=torch.bool))[1] == wilson(value, 30)


def test_twenty_photos_are_drawn_a_hundred_times_and_that_is_said() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 3), dtype=np.uint8)
    views = recipe("simclr-cifar", 12, 3)
    found = suite.evaluate({"raw_input": suite.raw_pixels}, open_source(pictures), recipe=views, protocols=["views"])
    low, high = found["about"]["range"]["raw_input"]["recall_at_1"]
    assert found["about"]["view_draws"] == 100 and found["about"]["chance"]["recall_at_1"] == 1 / 20
    assert high - low < np.diff(wilson(found["raw_input"]["recall_at_1"], 20)).item()
    first = view_retrieval.score(suite.raw_pixels, open_source(pictures), views)
    assert first * 20 == pytest.approx(round(first * 20))  # one draw, by which checkpoints are compared
