"""The parts of a map: how many lie where, which values have colours, where pictures stand."""

import base64
import io

import numpy as np
from PIL import Image

from kontrast import keyed
from kontrast.report.map_plot import around, classes, density, size, spread

PLACES = keyed.normal("plot", np.arange(40_000)).reshape(20_000, 2).astype(np.float32)


def picture(found):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found["url"][0].split(",")[1]))))


def test_all_lie_in_the_part_around_them():
    left, bottom, right, top = around(PLACES)
    assert (((left, bottom) < PLACES) & ((right, top) > PLACES)).all()


def test_density_counts_rows_top_up_and_is_of_the_part_alone():
    whole = picture(density(PLACES, (-4, -4, 4, 4)))
    down, across = whole.shape[:2]
    assert abs(across - down) <= 1 and whole[down // 2, across // 2, 3] > whole[2, 2, 3]
    right = picture(density(np.array([[3.9, 3.9]] * 50, np.float32), (0, 0, 4, 4)))
    assert right[0, -1, 3] == 170 and right[..., 3].astype(int).sum() == 170
    wide = density(PLACES, (0, 0, 4, 1))
    assert wide["w"] == [4] and picture(wide).shape[1] > 3 * picture(wide).shape[0]


def test_few_rows_lie_in_few_cells():
    assert picture(density(PLACES[:50], (-4, -4, 4, 4))).shape[0] < picture(density(PLACES, (-4, -4, 4, 4))).shape[0]


def test_the_most_frequent_values_have_colours_numbers_by_size():
    assert classes(["b", "10", "9"], np.array([5, 5, 5]), 15) == ["9", "10", "b"]
    assert classes(["only"], np.array([5]), 5) == [] == classes([str(n) for n in range(99)], np.ones(99, int), 99)
    assert classes([str(n) for n in range(30)], np.array([9] * 20 + [1] * 10), 190) == [str(n) for n in range(20)]


def test_pictures_stand_apart():
    chosen = spread(PLACES, (10, 5))
    assert 20 < len(chosen) <= 50 and chosen == sorted(set(chosen)) and spread(PLACES[:0]) == []
    assert size(1) == 10 and size(10**6) == 3 and size(0) == 10
