"""Equal names and equal texts."""

import math

import pytest
import torch

from kontrast.negatives import false_negatives, in_batch


def test_names_count_and_texts():
    name_q, name_k = torch.tensor([3, 1, 9]), torch.tensor([1, 1, 3, 2])
    assert false_negatives.count(name_q, name_k).tolist() == [1, 2, 0]
    assert in_batch.others(torch.tensor([4, 4, 5]), views=2).tolist() == [2, 2, 4]
    a, b, c = false_negatives.equal_texts(["A dog.", "a  Dog", "two dogs"]).tolist()
    assert a == b != c and a >= 0
    assert in_batch.guessing(torch.tensor([3, 0]), positives=1) == pytest.approx(math.log(4) / 2)
    assert in_batch.guessing(torch.tensor([3, 3]), decoupled=True) == pytest.approx(math.log(3))
