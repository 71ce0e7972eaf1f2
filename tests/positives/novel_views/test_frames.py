import math

import pytest

from kontrast.errors import Unfit
from kontrast.positives.novel_views.frames import Lens, lens_of


def test_an_angle_gives_the_focal_length():
    lens = lens_of({"camera_angle_x": math.pi / 2, "w": 100, "h": 60}, "r_0")
    assert lens.focal == pytest.approx((50.0, 50.0)) and lens.centre is None
    assert lens.of(100, 60, "r_0").centre == (50.0, 30.0)


def test_a_lens_follows_the_size_of_its_photo():
    lens = Lens((100.0, 90.0), (40.0, 20.0), (0.1, 0.0, 0.0, 0.0), 80, 40).of(160, 80, "a.png")
    assert (lens.focal, lens.centre, lens.distortion[0]) == ((200.0, 180.0), (80.0, 40.0), 0.1)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"w": 10, "h": 10}, "no focal length"),
        ({"fl_x": 5, "camera_model": "OPENCV_FISHEYE"}, "OPENCV_FISHEYE are not read"),
        ({"fl_x": 5, "k3": 0.1}, "k3 of the lens"),
        ({"fl_x": "far"}, "fl_x: a number above 0"),
        ({"fl_x": -3}, "fl_x: a number above 0"),
        ({"fl_x": 5, "k1": float("nan")}, "k1: a number was expected"),
    ],
)
def test_what_is_not_understood_is_said(said, words):
    with pytest.raises(Unfit, match=words):
        lens_of(said, "a.png")


def test_a_photo_of_another_shape_is_said():
    with pytest.raises(Unfit, match="100 x 90 pixels, its camera is said to have 80 x 40"):
        Lens((1.0, 1.0), None, width=80, height=40).of(100, 90, "a.png")
