"""MoCo's recipes: v1's rate falls where the paper says, v2 is v1 with another temperature, views and schedule."""

import pytest

from kontrast.recipes import moco
from kontrast.training import schedules


def differing(one, other):
    return {name for name, value in vars(one).items() if value != getattr(other, name)}


def test_v1_falls_at_120_and_160_of_200_epochs():
    recipe = moco.imagenet()
    rate = schedules.named(recipe.schedule, 200, warmup=0, per_epoch=1)
    assert [recipe.lr * rate(epoch) for epoch in (119, 120, 159, 160)] == pytest.approx([0.03, 0.003, 0.003, 0.0003])


def test_what_v2_changed():
    assert differing(moco.imagenet(), moco.imagenet_v2()) == {"method", "views", "schedule", "temperature"}
    assert differing(moco.cifar10(), moco.cifar10_v2()) == {"method", "set"}


def test_a_queue_holds_whole_batches():
    for recipe in (moco.imagenet(), moco.cifar10(), moco.imagenet_v2(), moco.cifar10_v2()):
        queue = int(dict(word.split("=") for word in recipe.set)["queue"])
        assert queue % recipe.batch_size == 0
