"""Barlow Twins' recipes: the rate is linear in the batch, and the projector is wide."""

import pytest

from kontrast.recipes import barlow_twins


def test_the_published_run():
    recipe = barlow_twins.imagenet()
    numbers = dict(word.split("=") for word in recipe.set)
    assert recipe.lr == pytest.approx(0.2 * recipe.batch_size / 256)
    assert numbers == {"width": "8192", "hidden": "8192", "off_diagonal_weight": "0.0051"}
    assert recipe.schedule == "cosine:end=0.001", "the code ends at a thousandth of its rate"
