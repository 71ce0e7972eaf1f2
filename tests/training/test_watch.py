"""The watch: its numbers against closed forms, and a verdict that accuses only what is collapsed."""

import math

import pytest
import torch

from kontrast import keyed
from kontrast.methods.method import Embeddings, Outcome
from kontrast.training import watch
from kontrast.training.watch import retrieval_at_1


def sphere(rows, width, *key):
    return watch.unit(torch.randn(rows, width, generator=keyed.generator("sphere", *key)))


def outcome(first, second, loss=1.0, guessing=5.0):
    ids = torch.arange(len(first))
    z = Embeddings({"views": torch.stack([first, second])}, ids, 0, 100, 0, features_BH=first)
    return Outcome(torch.tensor(loss), guessing, z, pair=(first, second))


def test_numbers_on_the_sphere():
    u = sphere(4096, 64, 0)
    assert watch.spread(u) == pytest.approx(1 / 8, rel=0.01)
    assert watch.mean_cosine(u) == pytest.approx(0.0, abs=1e-3)
    assert watch.effective_rank(u) > 62
    expected = math.log(torch.exp(-2 * torch.cdist(u[:500], u[500:1000]).double() ** 2).mean())
    assert watch.uniformity(u[:1000]) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("rows,width", [(10, 40), (40, 10)])
def test_effective_rank_is_the_entropy_of_singular_values(rows, width):
    u = sphere(rows, width, 1)
    values = torch.linalg.svdvals(u.double())
    share = values / values.sum() + 1e-7
    assert watch.effective_rank(u) == pytest.approx(float((-(share * share.log()).sum()).exp()), rel=1e-5)


def test_effective_rank_counts_dimensions():
    flat = watch.unit(torch.eye(5).repeat(8, 1))
    assert watch.effective_rank(flat) == pytest.approx(5, rel=1e-3)
    assert watch.effective_rank(flat[:1].repeat(9, 1)) == pytest.approx(1, abs=1e-2)


def test_retrieval_counts_own_views_and_ties_as_misses():
    u = sphere(32, 16, 2)
    assert retrieval_at_1(u, u) == 1
    assert retrieval_at_1(u, u.roll(1, 0)) == 0
    assert retrieval_at_1(torch.ones(8, 4), torch.ones(8, 4)) == 0
    same = torch.arange(16).repeat(2)
    assert retrieval_at_1(u, u.roll(16, 0), same) == 1


def test_equal_outputs_are_called_collapsed_after_the_warm_up_only():
    seen = watch.Watch(steps=100)
    almost = watch.unit(torch.ones(64, 32) + 0.01 * sphere(64, 32, 3))
    for step in range(1, 8):
        seen.look(outcome(almost, almost))
        assert seen.collapsed(step) == (step >= 5)
    assert seen.verdict(7).startswith("collapsed: all outputs point the same way (spread 0.00")
    assert "healthy about 0.177" in seen.verdict(7)


@pytest.mark.parametrize(("directions", "shared", "expected"), [(2, 2.0, True), (12, 2.0, False), (2, 0.0, False)])
def test_few_directions_are_a_collapse_when_outputs_are_alike(directions, shared, expected):
    """What a BatchNorm at the end leaves of one: spread is far above a tenth, but it is nearly all along one line."""
    seen = watch.Watch(steps=100)
    few_BK = sphere(64, directions, 8) + shared * sphere(1, directions, 9)
    u = torch.nn.functional.normalize(few_BK @ sphere(directions, 32, 10), dim=1)
    for _ in range(8):
        row = seen.look(outcome(u, u))
    assert row["spread"] > watch.COLLAPSED * row["healthy_spread"]
    assert seen.collapsed(8) == expected


def test_one_bad_look_is_no_collapse():
    seen = watch.Watch(steps=10)
    for step in range(20):
        good = step % 3 == 0
        u = sphere(64, 32, 4) if good else torch.ones(64, 32)
        seen.look(outcome(u, u))
        assert not seen.collapsed(step)


def test_a_warning_comes_at_once_and_once():
    """Own signs wait like collapse does: three looks in a row, after the first share of the run."""
    from dataclasses import replace

    seen, u = watch.Watch(steps=100), sphere(64, 32, 7)
    one = replace(outcome(u, u), diagnostics={"queue_fill": torch.tensor(1.0), "queue_rank": torch.tensor(1.0)})
    said = []
    for step in range(1, 10):
        seen.look(outcome(u, u) if step == 4 else one)
        said.append(seen.warning(step))
    assert [step for step, told in enumerate(said, 1) if told] == [7], "3 is too early, 5 and 6 are too few"
    assert said[6].startswith("poor queue") and seen.verdict(9) == said[6]
    again = watch.Watch(100, **seen.state())
    assert again.accused(9) and not again.warning(9), "a resumed run does not say it twice"


@pytest.mark.parametrize(("rank", "accused"), [(1.0, True), (1.2, False)])
def test_keys_that_are_alike_at_first_are_no_poor_queue(rank, accused):
    """1.2 is where a healthy MoCo begins on CIFAR-10 (benchmarks/alarms.py)."""
    row = {"queue_fill": 1.0, "queue_rank": rank, "healthy_spread": 0.1}
    assert watch.own_diagnostics(row).startswith("poor queue") == accused


def test_a_log_read_again_says_the_same():
    seen, again = watch.Watch(steps=10), watch.Watch(steps=10)
    for step in range(5):
        again.note(seen.look(outcome(torch.ones(8, 4), torch.ones(8, 4))))
        assert again.warning(step) == seen.warning(step)
    assert again.state() == seen.state() and seen.warned == ["collapsed"]


def test_a_loss_at_guessing_is_said():
    seen = watch.Watch(steps=10)
    u, v = sphere(64, 32, 5), sphere(64, 32, 6)
    seen.look(outcome(u, v, loss=4.99))
    assert seen.verdict(10).startswith("guessing")
    seen.look(outcome(u, u + 0.01 * v, loss=1.0))
    assert seen.verdict(10).startswith("healthy")


def test_the_state_brings_the_watch_back():
    seen = watch.Watch(steps=10)
    seen.look(outcome(torch.ones(8, 4), torch.ones(8, 4)))
    again = watch.Watch(10, **seen.state())
    assert again.bad_looks == 1 and again.verdict(0) == seen.verdict(0)


def test_outputs_that_nothing_pulls_apart_are_not_accused():
    """A run on masked words alone compares no sentences, so equal ones say nothing about it."""
    from dataclasses import replace

    seen, almost = watch.Watch(steps=100), watch.unit(torch.ones(64, 32) + 0.01 * sphere(64, 32, 3))
    for _ in range(8):
        seen.look(replace(outcome(almost, almost), diagnostics={"contrast": torch.tensor(0.0)}))
    assert not seen.collapsed(50) and seen.verdict(50).startswith("masked words alone: the loss is 1.00")
    seen.look(replace(outcome(almost, almost, loss=5.0), diagnostics={"contrast": torch.tensor(0.0)}))
    assert seen.verdict(50).startswith("guessing")
