"""BYOL's recipes: the rate is linear in the batch; a smaller run has a faster target."""

import pytest

from kontrast.recipes import byol


def momentum(recipe):
    return float(dict(word.split("=") for word in recipe.set)["momentum"])


def test_the_published_run():
    recipe = byol.imagenet()
    assert recipe.lr == pytest.approx(0.2 * recipe.batch_size / 256) and recipe.weight_decay == 1.5e-6
    assert momentum(recipe) == 0.996 > momentum(byol.cifar10())
    assert recipe.temperature is None, "there is no softmax"
