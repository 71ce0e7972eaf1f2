"""The tiny methods that checks run on: all of them, the same each time, in parts that make the whole."""

import pytest
import torch

from kontrast import methods
from kontrast.verify import tiny_methods


def test_every_method_is_there():
    assert set(tiny_methods.NAMES) == set(methods.METHODS)


@pytest.mark.parametrize("name", tiny_methods.NAMES)
def test_a_method_and_its_batches_are_functions_of_name_and_step(name):
    one, other = (tiny_methods.method(name) for _ in range(2))
    assert tiny_methods.distance(one.state_dict(), other.state_dict()) == 0
    whole = tiny_methods.batch(name, 3)
    parts = [tiny_methods.rows_of(whole, rows) for rows in (slice(0, 13), slice(13, 25))]
    assert torch.equal(torch.cat([part.ids_B for part in parts]), whole.ids_B)
    assert len({tuple(tiny_methods.batch(name, step).ids_B.tolist()) for step in range(4)}) == 4
    first = whole.views[0]
    pixels = first["input_ids"] if isinstance(first, dict) else first
    again = tiny_methods.batch(name, 3).views[0]
    assert torch.equal(pixels, again["input_ids"] if isinstance(again, dict) else again)


def test_distance_is_relative_and_a_missing_gradient_is_infinitely_far():
    one, other = {"a": torch.tensor([3.0, 4.0])}, {"a": torch.tensor([3.0, 5.0])}
    assert tiny_methods.distance(one, other) == pytest.approx(1 / 34**0.5)
    assert tiny_methods.distance(one, {}) == float("inf") and tiny_methods.distance({}, {}) == 0.0
