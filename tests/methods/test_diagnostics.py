"""Each method's own words in the watch: what is wrong is named by its own sign, and the same run done right is not."""

import pytest
import torch
from tests.methods.made import floats
from tests.methods.stepping import WIDTH, Tiny, made_up, train_step

from kontrast.methods import barlow_twins, byol, moco, swav
from kontrast.training.watch import Watch

STEPS = 40


def watched(method, steps=STEPS):
    """The verdict after some steps of learning."""
    watch = Watch(steps)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=0.01)
    for step in range(steps):
        outcome, _ = train_step(method, floats(made_up(step, rows=32)), optimizer)
        watch.look(outcome)
    return watch.verdict(steps)


def make_byol():
    return byol.BYOL(Tiny(), WIDTH, byol.Config(width=5, hidden=16, momentum=0.9), seed=1)


def make_moco():
    return moco.MoCo(Tiny(), WIDTH, moco.Config(width=5, hidden=16, queue=64, momentum=0.9, bn_groups=2), seed=1)


def make_barlow(weight=0.05):
    return barlow_twins.BarlowTwins(
        Tiny(), WIDTH, barlow_twins.Config(width=6, hidden=16, off_diagonal_weight=weight), seed=1
    )


def make_swav():
    return swav.SwAV(Tiny(), WIDTH, swav.Config(width=5, hidden=16, prototypes=12, frozen=2), seed=1)


@pytest.mark.parametrize("make", [make_byol, make_moco, make_barlow, make_swav])
def test_a_healthy_run_is_not_accused(make):
    assert watched(make()).startswith("healthy")


def test_no_predictor_is_named():
    method = make_byol()
    method.predictor = torch.nn.Identity()
    assert watched(method).startswith(("no predictor", "collapsed"))


def test_a_queue_of_one_key_is_named():
    method = make_moco()
    push = method.negatives.push
    method.negatives.push = lambda key_BD, name_B, step: push(key_BD[:1].expand_as(key_BD) * 0 + 1, name_B, step)
    assert watched(method).startswith("poor queue")


def test_no_weight_on_redundancy_is_named():
    assert watched(make_barlow(weight=0.0)).startswith("redundant")


def test_one_cluster_is_named():
    method = make_swav()
    with torch.no_grad():
        method.prototypes[0].weight.copy_(method.prototypes[0].weight[:1].expand(12, 5))
    method.config = swav.Config(width=5, hidden=16, prototypes=12, frozen=STEPS + 1)
    assert watched(method).startswith("one cluster")


def test_codes_that_nobody_shares_out_are_named():
    """SwAV without Sinkhorn: softmax codes; everybody ends in one prototype."""
    method = make_swav()
    method._codes = lambda score_BK, a: (score_BK / method.config.epsilon).softmax(-1)
    assert watched(method, steps=200).startswith(("one cluster", "collapsed"))


def test_no_stop_gradient_is_named():
    method = make_byol()
    method.twin.forward = lambda view: method.projector(method.encoder(view))
    assert watched(method, steps=200).startswith("collapsed")
