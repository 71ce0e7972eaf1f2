"""The contract of a source of negatives: one that adds nothing says nothing, and keys are joined in order."""

import torch

from kontrast.negatives import parsed
from kontrast.negatives.extra import SOURCES
from kontrast.negatives.source import Rows, Source, joined


def test_a_bare_source_says_nothing():
    bare, rows = Source(), Rows(torch.ones(3, 2), torch.arange(3), (0, 1))
    assert bare.keys(rows) is None and bare.own(rows, []) is None and bare.guide(torch.ones(3, 2), 0) is None
    assert bare.push(torch.ones(3, 2), torch.arange(3), 0) is None
    assert bare.diagnostics(0) == {} and dict(bare.hardness) == {} and not bare.state_dict()


def test_keys_are_joined_in_their_order():
    vectors, names = joined([(torch.zeros(2, 3), torch.tensor([5, 6])), (torch.ones(1, 3), torch.tensor([7]))])
    assert vectors.sum(1).tolist() == [0, 0, 3] and names.tolist() == [5, 6, 7]


def test_every_listed_source_is_silent_where_it_was_not_asked_for():
    for name, made in SOURCES.items():
        assert made(parsed(""), 4, "cosine", 0) is None, name
