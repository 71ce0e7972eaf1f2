"""CLIP's recipes: 2,000 steps of warm-up, Adam as in the paper, crops as the only augmentation."""

import pytest

from kontrast.recipes import clip


def test_the_published_run():
    recipe = clip.imagenet()
    per_epoch = 400_000_000 // recipe.batch_size
    assert recipe.warmup * per_epoch == pytest.approx(2000, rel=0.03)
    assert recipe.optimizer == clip.cifar10().optimizer == "adamw:beta2=0.98,eps=1e-6"
    assert recipe.views == "clip" and recipe.temperature is None, "it is learned, from the method's own start"
