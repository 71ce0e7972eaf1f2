import dataclasses

import pytest
import torch

from kontrast.positives.novel_views.confidence import Witnesses


@pytest.fixture(scope="module")
def witnesses(fitted):
    return Witnesses.of(fitted)


def test_a_place_is_seen_where_nothing_stands_before_it(witnesses, fitted):
    far, close = (dataclasses.replace(witnesses, depth_VHW=torch.full_like(witnesses.depth_VHW, d)) for d in (9.0, 1.0))
    place_P3 = torch.tensor([[0.0, 0.0, 0.0], [0.0, 50.0, 0.0]], dtype=torch.float64)
    assert far.seen(place_P3).tolist() == [len(fitted.kept), 0]  # the focus is in each picture, the sky in none
    assert close.seen(place_P3).tolist() == [0, 0]


def test_a_given_place_is_trusted_more_than_one_far_from_all(witnesses, fitted):
    cameras, renderer = fitted.capture.cameras, fitted.looking()
    near = witnesses.confidence(renderer.picture(cameras, 1), cameras, 1)
    assert near > 0.6
    sky = renderer.picture(cameras, 1)
    nothing = dataclasses.replace(sky, light=torch.zeros_like(sky.light))
    assert witnesses.confidence(nothing, cameras, 1) == 0.0
    foggy = dataclasses.replace(sky, certain=torch.full_like(sky.certain, 0.1))
    assert witnesses.confidence(foggy, cameras, 1) < 0.11
