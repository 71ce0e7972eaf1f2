"""The best weights seen so far: strictly better ones win, a copy is kept, and a checkpoint brings them back."""

import math

import torch

from kontrast.training.best_weights import BestWeights


def test_only_a_higher_score_replaces_them_and_a_copy_is_kept():
    best, weights = BestWeights(), {"w": torch.ones(3)}
    assert best.state() == {} and not best.tensors()
    assert best.look(0.5, 10, weights)
    weights["w"].fill_(7)
    assert not best.look(0.5, 20, weights) and not best.look(math.nan, 30, weights)
    assert best.step == 10 and best.weights["w"].tolist() == [1, 1, 1]
    assert best.look(0.6, 40, weights) and best.weights["w"].tolist() == [7, 7, 7]


def test_a_checkpoint_brings_them_back():
    best = BestWeights()
    best.look(0.7, 5, {"a.b": torch.arange(4.0)})
    again = BestWeights.restored({**best.tensors(), "method.a.b": torch.zeros(4)}, best.state())
    assert (again.score, again.step) == (0.7, 5) and again.weights.keys() == {"a.b"}
    assert torch.equal(again.weights["a.b"], best.weights["a.b"])
