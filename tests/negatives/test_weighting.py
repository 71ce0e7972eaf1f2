"""Weights of negatives: what was asked for, in the losses' own words."""

from kontrast.negatives import parsed
from kontrast.negatives.weighting import source


def test_both_weights_reach_the_loss_and_nothing_is_added():
    made = source(parsed("reweighted:0.7+debiased:0.05"), 8, "cosine", 0)
    assert made.hardness == {"tau_plus": 0.05, "beta": 0.7} and not made.adds
    assert source(parsed("reweighted:1"), 8, "cosine", 0).hardness == {"tau_plus": 0.0, "beta": 1.0}
    assert source(parsed("queue:8"), 8, "cosine", 0) is None
