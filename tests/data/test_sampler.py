"""The order is a pure function of (seed, step): each sample once an epoch, the same on any number of processes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.data.sampler import batch_ids, own_rows, steps_per_epoch
from kontrast.errors import Unfit


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 50), st.integers(0, 2**40))
def test_an_epoch_has_no_sample_twice(samples: int, batch_size: int, seed: int) -> None:
    ids = np.arange(samples) * 3 + 7
    if batch_size > samples:
        with pytest.raises(Unfit, match="--batch-size"):
            batch_ids(ids, 0, batch_size, seed)
        return
    steps = steps_per_epoch(samples, batch_size)
    for epoch in (0, 1):
        drawn = np.concatenate([batch_ids(ids, epoch * steps + s, batch_size, seed) for s in range(steps)])
        assert len(np.unique(drawn)) == len(drawn) == samples - samples % batch_size
        assert set(drawn) <= set(ids)


def test_epochs_and_seeds_differ_and_steps_need_no_history() -> None:
    ids = np.arange(1000)
    late = batch_ids(ids, 12_345_678, 100, 5)
    assert np.array_equal(late, batch_ids(ids, 12_345_678, 100, 5))
    assert not np.array_equal(batch_ids(ids, 0, 100, 5), batch_ids(ids, 10, 100, 5))
    assert not np.array_equal(batch_ids(ids, 0, 100, 5), batch_ids(ids, 0, 100, 6))


def test_small_and_large_sets_are_shuffled_by_one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.arange(500)
    at_once = [batch_ids(ids, step, 32, 9) for step in (0, 7, 40)]
    monkeypatch.setattr("kontrast.data.sampler.SMALL", 0)
    assert all(np.array_equal(a, batch_ids(ids, step, 32, 9)) for a, step in zip(at_once, (0, 7, 40)))


def test_every_sample_is_left_out_equally_often() -> None:
    ids, left = np.arange(50), np.zeros(50)
    for epoch in range(400):
        seen = np.concatenate([batch_ids(ids, epoch * 3 + s, 16, 1) for s in range(3)])
        left[np.setdiff1d(ids, seen)] += 1
    assert left.sum() == 800 and left.min() > 3 and left.max() < 36  # 16 expected, deviation 4


def test_place_within_an_epoch_is_uniform() -> None:
    places = np.array([np.flatnonzero(batch_ids(np.arange(40), epoch, 40, 2) == 17)[0] for epoch in range(1200)])
    counts = np.bincount(places, minlength=40)
    assert ((counts - 30) ** 2 / 30).sum() < 73.4  # chi-squared, 39 degrees of freedom, p = 0.0007


def test_rows_of_the_processes() -> None:
    sizes = [len(range(256)[own_rows(256, rank, 3)]) for rank in range(3)]
    assert sizes == [86, 85, 85]
    for processes in (1, 2, 3, 7):
        rows = [i for rank in range(processes) for i in range(256)[own_rows(256, rank, processes)]]
        assert rows == list(range(256))
    for wrong in ((2, 0, 3), (8, 3, 3), (8, -1, 3)):
        with pytest.raises(ValueError, match="every process needs a row"):
            own_rows(*wrong)
    with pytest.raises(ValueError, match="batch_size"):
        steps_per_epoch(10, 0)
