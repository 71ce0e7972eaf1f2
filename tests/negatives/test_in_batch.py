"""The other rows of the batch: counted by name, and what guessing among them costs."""

import math

import pytest
import torch

from kontrast.negatives import in_batch


@pytest.mark.parametrize("views", [1, 2, 3])
def test_every_view_of_every_other_name_is_a_negative(views):
    name = torch.tensor([4, 4, 5, 9, 5, 5])
    counted = [sum(int(other != own) for other in name.tolist()) * views for own in name.tolist()]
    assert in_batch.others(name, views).tolist() == counted


def test_guessing_is_the_mean_logarithm_of_the_candidates():
    many = torch.tensor([3, 7, 0])  # a row with no negative costs ln of its positives
    assert in_batch.guessing(many, positives=2) == pytest.approx((math.log(5) + math.log(9) + math.log(2)) / 3)
    assert in_batch.guessing(many, decoupled=True) == pytest.approx((math.log(3) + math.log(7)) / 3)
