"""The guessing printed beside a loss is that loss at equal similarities, whatever was asked for; and lone triplets."""

import itertools
import math

import pytest
import torch
from torch import nn

from kontrast.methods import clip, moco, simclr, simcse, supcon, supervised
from kontrast.methods.method import Embeddings

D = 4


class Encoder(nn.Linear):
    """What the methods ask of an encoder before they compare."""

    pooler = "mean"

    def __init__(self):
        super().__init__(D, D)
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.register_parameter("logit_bias", None)

    def lock(self, *towers):
        """Nothing is locked."""

    def judge_alone(self):
        self.logit_bias = nn.Parameter(torch.tensor(-3.0))


def z(ids, groups=None, others=None, **roles):
    """Embeddings of these samples; `others` are names of more of them, all at the same place too."""
    roles = {name: role.double() for name, role in roles.items()}
    names = None if others is None else torch.tensor(others)
    if others is not None:
        roles["others"] = torch.ones(len(others), D).double()
    groups = None if groups is None else torch.tensor(groups)
    return Embeddings(roles, torch.tensor(ids), 3, 10, 5, torch.ones(len(ids), D), groups, other_names_N=names)


def filled(method):
    """The queue's keys at the place of all the rest, half of them of the batch's own samples."""
    for module in method.modules():
        if hasattr(module, "keys_KD"):
            module.keys_KD.fill_(1.0)
            module.names_K.copy_(torch.arange(len(module.names_K)) % 7)
    return method.double()


def same(outcome):
    assert float(outcome.loss.detach()) == pytest.approx(outcome.guessing, abs=1e-6)
    assert outcome.guessing > 0


NEGATIVES = ("", "queue:6", "queue:6+mixed:2", "queue:6+mined:2", "reweighted:0.7+debiased:0.1", "guide:x+margin:0.3",
             "queue:5+guide:x+reweighted:1")  # fmt: skip
GUIDE = torch.randn(5, 3, generator=torch.Generator().manual_seed(4))
IDS, GROUPS = [0, 1, 2, 3, 9], [0, 1, 1, 2, 0]


@pytest.mark.parametrize(
    ("negatives", "decoupled", "groups"), list(itertools.product(NEGATIVES, (False, True), (None, GROUPS)))
)
def test_softmax_methods(negatives, decoupled, groups):
    how, ones = {"negatives": negatives, "decoupled": decoupled}, torch.ones(5, D)
    given = {"guide": GUIDE} if "guide" in negatives else {}
    for V in (2, 3):
        method = filled(simclr.SimCLR(Encoder(), D, simclr.Config(width=D, **how)))
        same(method.compare(z(IDS, groups, views=ones.expand(V, 5, D), others=[1, 7, 7], **given)))
    for hard in (0, 1):
        for weight in (0.0, 1.3):
            method = filled(simcse.SimCSE(Encoder(), D, simcse.Config(hard_weight=weight, **how)))
            same(method.compare(z(IDS, groups, views=ones.expand(2 + hard, 5, D), **given)))
    method = filled(clip.CLIP(Encoder(), D, clip.Config(**how)))
    same(method.compare(z(IDS, groups, image=ones, text=ones, **given)))
    if not given:
        queue = "" if "queue" in negatives else "+queue:6"
        how["negatives"] = (negatives + queue).lstrip("+")
        method = filled(moco.MoCo(Encoder(), D, moco.Config(width=D, symmetric=True, **how)))
        same(method.compare(z(IDS, groups, query=ones.expand(2, 5, D), key=ones.expand(2, 5, D))))


def test_pairs_judged_alone_count_their_equal_captions():
    method = clip.CLIP(Encoder(), D, clip.Config(loss="sigmoid")).double()
    eye = torch.eye(D)
    same(method.compare(z([0, 0, 1, 2, 3], GROUPS, image=eye[:1].expand(5, D), text=eye[1:2].expand(5, D))))


def test_groups_as_positives():
    config = simclr.Config(width=D)
    same(supervised.Supervised(simclr.SimCLR(Encoder(), D, config), supcon.compare).compare(
        z(IDS, GROUPS, views=torch.ones(2, 5, D))))  # fmt: skip


@pytest.mark.parametrize(("decoupled", "weight"), [(False, 0.0), (True, 0.0), (False, 0.8)])
def test_a_triplet_alone_has_one_negative(decoupled, weight):
    views = torch.randn(3, 1, D, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    config = simcse.Config(temperature=0.5, decoupled=decoupled, hard_weight=weight)
    outcome = simcse.SimCSE(Encoder(), D, config).compare(z([4], views=views))
    cosine = torch.nn.functional.cosine_similarity
    positive, negative = (cosine(views[0, 0], views[k, 0], dim=0) / 0.5 for k in (1, 2))
    gap = negative + weight - positive
    expected = gap if decoupled else torch.nn.functional.softplus(gap)
    torch.testing.assert_close(outcome.loss, expected)
    slopes = [torch.autograd.grad(loss, views)[0] for loss in (outcome.loss, expected)]
    torch.testing.assert_close(*slopes)
    assert outcome.guessing == pytest.approx(weight if decoupled else math.log(1 + math.exp(weight)))
