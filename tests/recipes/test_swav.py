"""SwAV's recipes: eight crops of two sizes, prototypes frozen for one epoch, a rate that begins low."""

import pytest

from kontrast.positives.images.papers import parse_crops
from kontrast.recipes import swav
from kontrast.training import schedules


def test_the_published_run():
    recipe = swav.imagenet()
    assert parse_crops(recipe.crops, 0) == [(2, 224), (6, 96)]
    per_epoch = 1_281_167 // recipe.batch_size
    assert f"frozen={per_epoch + 1}" in recipe.set  # the code's 313: of its 312.8 steps, and never within the first
    rate = schedules.named(recipe.schedule, 100, warmup=10, per_epoch=1)
    assert recipe.lr * rate(0) == pytest.approx(0.3, rel=0.1) and recipe.lr * rate(10) == pytest.approx(4.8)


def test_fewer_prototypes_for_fewer_classes():
    small, large = (dict(word.split("=") for word in recipe().set) for recipe in (swav.cifar10, swav.imagenet))
    assert int(small["prototypes"]) < int(large["prototypes"]) == 3000 and small["queue"] == large["queue"] == "0"
