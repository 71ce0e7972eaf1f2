"""Resampling: its weights, and pictures made ready without a view."""

from __future__ import annotations

import numpy as np
import torch
from tests.positives.images.real import pictures, smooth

from kontrast.positives.images import papers
from kontrast.positives.images.draw import draw
from kontrast.positives.images.resample import resampled
from kontrast.positives.images.view import Keys
from kontrast.preprocessing import Preprocessing


def test_rows_of_the_spatial_map_sum_to_one() -> None:
    view = papers.recipe("simclr", 24, 3).views[0]
    drawn = draw(view, 0, Keys(0, 0, np.arange(64)), np.tile([50, 40], (64, 1)))
    ones = torch.ones(64, 3, 50, 40)
    made = resampled(ones, view, drawn, exact=False)(slice(0, 64))
    torch.testing.assert_close(made, torch.ones_like(made), atol=1e-5, rtol=0)


def test_prepare_is_timms_evaluation_transform() -> None:
    from PIL import Image
    from timm.data.transforms_factory import transforms_imagenet_eval

    mean, std = papers.IMAGENET
    theirs = transforms_imagenet_eval(64, crop_pct=1.0, interpolation="bicubic", mean=mean, std=std)
    batch = [smooth(1, 100, 130)[0], smooth(1, 75, 64)[0], smooth(1, 33, 50)[0], smooth(1, 64, 64)[0]]
    ours = Preprocessing(64, mean, std)(batch)
    for made, picture in zip(ours, batch):
        peer = theirs(Image.fromarray(picture.permute(1, 2, 0).numpy()))
        assert ((made - peer) * torch.tensor(std)[:, None, None]).abs().max() < 1.001 / 255


def test_prepare_leaves_pictures_of_that_size_alone() -> None:
    batch = pictures(5)
    as_is = Preprocessing(32, (0.0,) * 3, (1.0,) * 3)
    assert torch.equal(as_is(batch), batch.float() / 255)
    assert torch.equal(as_is(list(batch)), batch.float() / 255)
