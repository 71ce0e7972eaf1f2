"""What a view is: white by depth, rows of draws, and a default that changes crops and sides alone."""

import numpy as np
import pytest
import torch

from kontrast.positives.images.draw import draw
from kontrast.positives.images.papers import recipe
from kontrast.positives.images.view import Keys, View, white_of


def test_white_is_the_largest_value_unless_sixteen_bits_say_otherwise():
    assert [white_of(dtype) for dtype in (torch.uint8, torch.uint16, torch.float32)] == [255.0, 65535.0, 1.0]
    assert white_of(torch.uint16, 4095) == 4095 and white_of(torch.uint8, 4095) == 255
    made = recipe("plain", 8, 1)
    assert made.brightest(torch.zeros(2, 1, 8, 8, dtype=torch.uint16)) == 65535
    with pytest.raises(AttributeError):
        made.white = 3  # a recipe is never changed under a run


def test_rows_of_draws_are_the_draws_of_those_samples():
    view, sizes = recipe("simclr", 32, 3).views[0], np.full((6, 2), 40)
    all_of_them = draw(view, 0, Keys(1, 2, np.arange(6)), sizes)
    some = all_of_them.take(np.array([4, 1]))
    alone = draw(view, 0, Keys(1, 2, np.array([4, 1])), sizes[:2])
    assert all(np.array_equal(value, vars(alone)[name]) for name, value in vars(some).items())


def test_by_default_nothing_but_the_crop_and_the_side_is_drawn():
    drawn = draw(View(size=8), 0, Keys(0, 0, np.arange(50)), np.full((50, 2), 20))
    assert not any(x.any() for x in (drawn.jitter, drawn.grey, drawn.solarize, drawn.sigma, drawn.angle, drawn.shear))
    assert len(set(drawn.height.tolist())) > 5 and 0 < drawn.flip.sum() < 50
