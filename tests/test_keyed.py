"""Keyed randomness: a function of its key, uniform, independent across keys, and the same words on every machine."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kontrast import keyed


def by_hand(*key):
    """The same mixer in Python's unbounded integers, cut to 64 bits by hand."""
    state = 0
    for part in key:
        if isinstance(part, str):
            part = int.from_bytes(hashlib.blake2b(part.encode(), digest_size=8).digest(), "little")
        state = ((state ^ (part % 2**64)) + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state


def test_the_words_are_pinned():
    """Views, orders and negatives of every recorded run hang on these: they must never change."""
    assert [int(w) for w in keyed.words("view", 0, np.arange(3))] == PINNED
    assert [by_hand("view", 0, i) for i in range(3)] == PINNED
    assert int(keyed.words("x", -1, 2**63)) == by_hand("x", -1, 2**63)


PINNED = [10377510426274673804, 2613499306514668345, 3539217567709748225]


def test_one_at_a_time_equals_all_at_once():
    ids = np.array([5, 0, 2**40, 7])
    assert [float(keyed.uniform("a", 3, int(i))) for i in ids] == keyed.uniform("a", 3, ids).tolist()


@pytest.mark.parametrize("other", [("b", 3), ("a", 4), (3, "a"), ("a", 3, 0)])
def test_every_part_of_the_key_counts(other):
    assert int(keyed.words("a", 3)) != int(keyed.words(*other))


def test_uniform_draws_are_uniform_and_uncorrelated():
    u = keyed.uniform("u", np.arange(200_000))
    assert u.min() >= 0 and u.max() < 1
    counts = np.histogram(u, bins=100, range=(0, 1))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 160  # chi-square, 99 degrees: 160 is beyond the 99.99 % point
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01
    neighbours = keyed.uniform("u", np.arange(200_000), 1)
    assert abs(np.corrcoef(u, neighbours)[0, 1]) < 0.01


def test_normal_draws_are_normal():
    from scipy.stats import kstest

    assert kstest(keyed.normal("n", np.arange(50_000)), "norm").pvalue > 1e-3


def test_below_covers_its_range_evenly():
    counts = np.bincount(keyed.below(7, "d", np.arange(70_000)), minlength=7)
    assert len(counts) == 7 and abs(counts - 10_000).max() < 500


@given(st.integers(1, 3000), st.integers(0, 2**63 - 1))
def test_permuted_is_a_bijection(n, seed):
    assert sorted(keyed.permuted(np.arange(n), n, "order", seed).tolist()) == list(range(n))


def test_permuted_moves_things_and_depends_on_its_key():
    first, second = (keyed.permuted(np.arange(1000), 1000, "order", epoch) for epoch in (0, 1))
    assert (first == np.arange(1000)).mean() < 0.02 and (first == second).mean() < 0.02
    assert abs(np.corrcoef(first, np.arange(1000))[0, 1]) < 0.1


def test_no_global_generator_is_read_or_moved():
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    torch.randn(3, generator=keyed.generator("weights", 0))
    keyed.uniform("a", np.arange(10))
    assert torch.equal(before, torch.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()  # noqa: NPY002


def test_a_generator_repeats_its_key():
    a, b, c = (torch.randn(4, generator=keyed.generator("weights", seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_draws_lent_to_other_peoples_layers_are_named_and_given_back():
    before = torch.get_rng_state()
    with keyed.lent(torch.device("cpu"), "step", 3):
        first = torch.rand(4)
    with keyed.lent(torch.device("cpu"), "step", 3):
        assert torch.equal(torch.rand(4), first)
    assert torch.equal(torch.get_rng_state(), before)
