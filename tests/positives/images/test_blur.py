"""Blur: a Gaussian's moments, and where dense products end."""

from dataclasses import replace

import numpy as np
import torch

from kontrast.data.pixels import decode
from kontrast.positives.images import blur
from kontrast.positives.images.papers import recipe


def test_pictures_are_laid_out_for_the_way_that_blurs_them():
    """Reading stands beneath the views and keeps this number for itself."""
    assert decode.DENSE == blur.DENSE
    cpu = torch.device("cpu")
    assert blur.is_dense(cpu, decode.DENSE, 8) and not blur.is_dense(cpu, 8, decode.DENSE + 1)


def test_a_point_becomes_a_gaussian_of_the_asked_width():
    """Mass 1, no shift, and the variance that was asked for; on either side of `DENSE` the same."""
    first = next(v for v in recipe("simclr", 33, 1).views if v.blur)
    for side in (33, blur.DENSE + 5):
        view = replace(first, size=side, kernel=13)
        x = torch.zeros(2, 1, side, side)
        x[:, :, side // 2, side // 2] = 1
        sigma = np.array([0.7, 1.3])
        y = blur.blurred(x, view, sigma).double()
        place = torch.arange(side) - side // 2
        assert torch.allclose(y.sum((1, 2, 3)), torch.ones(2, dtype=torch.float64), atol=1e-5)
        along = y.sum((1, 3))
        assert torch.allclose((along * place).sum(1), torch.zeros(2, dtype=torch.float64), atol=1e-5)
        torch.testing.assert_close((along * place**2).sum(1), torch.from_numpy(sigma**2), rtol=0.03, atol=0)
