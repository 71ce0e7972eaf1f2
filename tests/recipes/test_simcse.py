"""SimCSE's recipes: the batches and rates of the paper's appendix A, without weight decay and warm-up."""

from kontrast.recipes import simcse


def test_the_two_published_runs():
    alone, given = simcse.unsupervised(), simcse.supervised()
    assert (alone.batch_size, alone.epochs, alone.lr) == (64, 1, 3e-5)
    assert (given.batch_size, given.epochs, given.lr) == (512, 3, 5e-5)
    assert alone.views == "dropout" and given.views == "none"
    for recipe in (alone, given):
        assert (recipe.temperature, recipe.weight_decay, recipe.warmup, recipe.schedule) == (0.05, 0.0, 0, "linear")
