import math

import torch

from kontrast.positives.novel_views.scores import psnr, score, ssim

PHOTO = torch.rand(40, 30, 3, generator=torch.Generator().manual_seed(0))


def test_the_same_picture_has_full_marks():
    found = score(PHOTO, PHOTO)
    assert found.psnr >= 98 and abs(found.ssim - 1) < 1e-5 and found.sharpness == 1.0


def test_psnr_by_hand():
    assert abs(psnr(PHOTO, PHOTO + 0.1) - 20.0) < 1e-3


def test_ssim_by_hand_at_one_place():
    """An 11 x 11 picture has one window: the formula, without convolutions."""
    a, b = PHOTO[:11, :11], PHOTO[20:31, 10:21]
    line = [math.exp(-((i - 5) ** 2) / (2 * 1.5**2)) for i in range(11)]
    window = torch.tensor([[x * y for x in line] for y in line])[..., None] / sum(line) ** 2
    mean_a, mean_b = ((window * p).sum((0, 1)) for p in (a, b))
    var_a, var_b, both = (
        (window * p * q).sum((0, 1)) - m * n
        for p, q, m, n in ((a, a, mean_a, mean_a), (b, b, mean_b, mean_b), (a, b, mean_a, mean_b))
    )
    wanted = (
        (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4) / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
    )
    assert abs(ssim(a, b) - float(wanted.mean())) < 1e-5


def test_a_blur_is_told():
    blur = PHOTO.unfold(0, 3, 1).mean(-1).unfold(1, 3, 1).mean(-1)
    assert score(blur, PHOTO[1:-1, 1:-1]).sharpness < 0.6
