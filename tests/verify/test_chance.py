"""The check of chance is red for a wrong guess."""

from dataclasses import replace

import torch

from kontrast.verify import chance, tiny_methods


def test_a_queue_that_forgets_names_is_seen(monkeypatch):
    real = torch.Tensor.fill_
    monkeypatch.setattr(torch.Tensor, "fill_", lambda self, value: real(self, -1 if value == 7 else value))
    assert chance.from_own_keys("moco") > 0.1


def test_a_wrong_guessing_is_seen(monkeypatch):
    real = tiny_methods.method

    def off_by_one(name):
        method = real(name)
        compare = method.compare
        method.compare = lambda z: replace(outcome := compare(z), guessing=1.01 * outcome.guessing)
        return method

    monkeypatch.setattr(tiny_methods, "method", off_by_one)
    assert chance.apart("moco") > 1e-3
