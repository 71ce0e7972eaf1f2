"""MoCo's recipes: the rate falls where the paper says, and a queue holds whole batches."""

import pytest

from kontrast.recipes import moco, moco_v2
from kontrast.training import schedules


def test_v1_falls_at_120_and_160_of_200_epochs():
    recipe = moco.imagenet()
    rate = schedules.named(recipe.schedule, 200, warmup=0, per_epoch=1)
    assert [recipe.lr * rate(epoch) for epoch in (119, 120, 159, 160)] == pytest.approx([0.03, 0.003, 0.003, 0.0003])


def test_a_queue_holds_whole_batches():
    for recipe in (moco.imagenet(), moco.cifar10(), moco_v2.imagenet(), moco_v2.cifar10()):
        queue = int(dict(word.split("=") for word in recipe.set)["queue"])
        assert queue % recipe.batch_size == 0
