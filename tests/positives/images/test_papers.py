"""The recipes: what the papers say, what is left out for other channels, and the grammar of crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.errors import Unfit
from kontrast.positives.images import papers, views
from kontrast.positives.images.view import Keys


def test_published_numbers() -> None:
    """Read again from the papers' tables, not from the module."""
    strengths = {
        "simclr": (0.8, 0.8, 0.8, 0.2, 0.8),
        "simclr-cifar": (0.4, 0.4, 0.4, 0.1, 0.8),
        "moco": (0.4, 0.4, 0.4, 0.4, 1.0),
        "moco-v2": (0.4, 0.4, 0.4, 0.1, 0.8),
        "swav": (0.8, 0.8, 0.8, 0.2, 0.8),
        "byol": (0.4, 0.4, 0.2, 0.1, 0.8),
        "barlow-twins": (0.4, 0.4, 0.2, 0.1, 0.8),
    }
    for name, expected in strengths.items():
        for view in papers.recipe(name, 224, 3).views:
            assert (view.brightness, view.contrast, view.saturation, view.hue, view.jitter) == expected
            assert (view.grey, view.flip, view.aspect, view.sigma) == (0.2, 0.5, (3 / 4, 4 / 3), (0.1, 2.0))
            assert view.grey_first == (name == "moco")
    byol = papers.recipe("byol", 224, 3).views
    assert [(view.blur, view.solarize) for view in byol] == [(1.0, 0.0), (0.1, 0.2)]
    swav = papers.recipe("swav", 224, 3)
    assert [(v.size, v.crop) for v in swav.views] == [(224, (0.14, 1.0))] * 2 + [(96, (0.05, 0.14))] * 6
    assert swav.std == (0.228, 0.224, 0.225)
    assert [view.crop for view in papers.recipe("moco", 224, 3).views] == [(0.2, 1.0)] * 2
    assert len(papers.recipe("clip", 224, 3).views) == 1


@pytest.mark.parametrize("size, taps", [(224, 23), (96, 9), (32, 3), (16, 3)])
def test_blur_taps(size: int, taps: int) -> None:
    assert papers.recipe("simclr", size, 3).views[0].kernel == taps


def test_other_channels_are_said() -> None:
    assert papers.recipe("simclr", 32, 3).messages == ()
    grey = papers.recipe("simclr", 32, 1)
    assert "saturation, hue and grey are left out" in grey.messages[0]
    assert len(grey.mean) == len(grey.std) == 1
    assert papers.recipe("affine", 16, 1).messages == ()
    many = papers.recipe("byol", 32, 13)
    assert len(many.messages) == 2
    made = views(torch.zeros(2, 13, 20, 20, dtype=torch.uint8), many, Keys(0, 0, np.arange(2)))
    assert made[0].shape == (2, 13, 32, 32)


def test_crops() -> None:
    assert papers.parse_crops("2x224+6x96", 64) == [(2, 224), (6, 96)]
    assert papers.parse_crops(" 2 + 4 × 16 ", 64) == [(2, 64), (4, 16)]
    made = papers.recipe("byol", 64, 3, crops="2x64+4x28")
    assert [(v.size, v.crop) for v in made.views] == [(64, (0.14, 1.0))] * 2 + [(28, (0.05, 0.14))] * 4
    assert [v.solarize for v in made.views] == [0.0, 0.2] * 3
    assert [v.crop for v in papers.recipe("swav", 64, 3, crops="2").views] == [(0.08, 1.0)] * 2
    assert papers.recipe("simclr", 64, 3, crops="2x64") == papers.recipe("simclr", 64, 3)
    assert papers.recipe("swav", 224, 3, crops="2x224+6x96") == papers.recipe("swav", 224, 3)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=8))
def test_other_crops_are_refused_in_words(text: str) -> None:
    try:
        crops = papers.parse_crops(text, 32)
    except Unfit as told:
        assert "2x224+6x96" in str(told)
    else:
        assert all(count > 0 and size > 0 for count, size in crops)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(Unfit, match="Did you mean simclr"):
        papers.recipe("simlcr", 32, 3)
