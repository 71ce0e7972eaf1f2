"""Five training steps of Barlow Twins against the paper's arithmetic in float64."""

import statistics
from dataclasses import replace

import pytest
import torch
from tests.methods.made import MADE
from tests.methods.parity import run, weights
from tests.methods.stepping import WIDTH, Tiny, made_up, oracle

from kontrast import keyed
from kontrast.methods import barlow_twins


def test_barlow_twins():
    config = barlow_twins.Config(width=5, hidden=7, off_diagonal_weight=0.02)
    method = barlow_twins.BarlowTwins(Tiny(), WIDTH, config, seed=1).double()
    run(method, oracle.BarlowTwins(weights(method), 0.02))


@pytest.mark.parametrize("weight", [0.0051, 0.5])
def test_barlow_guesses_with_its_weight(weight):
    """Unlike outputs correlate by chance, the more the fewer rows: 8 rows, mean of 400 draws."""
    config = barlow_twins.Config(width=5, hidden=7, off_diagonal_weight=weight)
    method, draw = barlow_twins.BarlowTwins(Tiny(), WIDTH, config, seed=1).double(), keyed.generator("unlike")
    z = replace(method.embed(made_up(0)).joined(), ids_B=torch.arange(8))
    draws = [torch.randn(2, 8, 5, generator=draw).double() for _ in range(400)]
    outcomes = [method.compare(replace(z, roles={"views": views})) for views in draws]
    assert statistics.mean(each.loss.item() for each in outcomes) == pytest.approx(outcomes[0].guessing, rel=0.03)


def test_barlow_of_identical_views_has_no_on_diagonal_part():
    same = torch.randn(64, 7, generator=torch.Generator().manual_seed(1))
    signs = barlow_twins.parts(same, same)
    assert float(signs["on_diagonal"]) < 1e-6 < float(signs["off_diagonal"])


def test_barlow_biases_have_their_own_rate():
    weights, biases = MADE["barlow-twins"]().parameter_groups()
    assert weights.scale == 1.0 and biases.scale == 0.0015 and not biases.decay and not biases.adapt
    assert all(p.ndim > 1 for p in weights.parameters) and all(p.ndim == 1 for p in biases.parameters)
