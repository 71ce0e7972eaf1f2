"""Which loss the data call for: chosen once, and nothing of the method's own is lost under it."""

import pytest
import torch

from kontrast.methods import margin, supcon
from kontrast.methods.supervised import Supervised, supervised
from kontrast.verify import tiny_methods


def chosen(name, *, scored=False, grouped=False, **config):
    method = tiny_methods.method(name)
    method.config = type(method.config)(**{**vars(method.config), **config})
    made = supervised(method, name, scored=scored, grouped=grouped)
    return made.by_labels if isinstance(made, Supervised) else None


def test_what_chooses_what():
    alone = {"negatives": ""}
    assert chosen("simclr", grouped=True, **alone) is supcon.compare
    assert chosen("simclr", grouped=True, negatives="queue:8") is None
    assert chosen("simclr", grouped=True, decoupled=True, **alone) is None
    assert chosen("simclr", **alone) is None and chosen("byol", grouped=True) is None
    assert chosen("simclr", scored=True, grouped=True, **alone) is margin.compare
    assert chosen("simcse", scored=True) is margin.compare


@pytest.mark.parametrize("name", ["simclr", "simcse"])
def test_what_is_stored_and_trained_is_the_methods_own(name):
    method = tiny_methods.method(name)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    made = supervised(method, name, scored=True, grouped=False)
    assert made.state_dict().keys() == before.keys() and made.encoder is method.encoder
    trained = {id(p) for group in made.parameter_groups() for p in group.parameters}
    assert trained == {id(p) for p in method.parameters() if p.requires_grad}
    made.load_state_dict({key: torch.zeros_like(value) for key, value in before.items()})
    assert not any(value.any() for value in method.state_dict().values())
