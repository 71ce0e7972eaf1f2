"""How near a render is to a photo: PSNR, SSIM, and whether it is as sharp, for a blur has a good PSNR.

Shapes: H, W the sides of pictures of three channels in 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5  # of SSIM, Wang 2004, with its constants for a range of 1
C1, C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Score:
    """psnr in dB, ssim at most 1, sharpness: mean step between neighbouring pixels, of the render by the photo."""

    psnr: float
    ssim: float
    sharpness: float


def score(render: Tensor, photo: Tensor) -> Score:
    """All three of pictures (H, W, 3)."""
    return Score(psnr(render, photo), ssim(render, photo), steps(render) / max(steps(photo), 1e-9))


def psnr(render: Tensor, photo: Tensor) -> float:
    """Peak signal to noise, in dB, at most 99."""
    return float(-10 * torch.log10((render - photo).square().mean().clamp_min(10**-9.9)))


def ssim(render: Tensor, photo: Tensor) -> float:
    """Structural similarity, the mean over pixels and channels; the window shrinks where a picture is smaller."""
    size = min(WINDOW, *render.shape[:2])
    size -= 1 - size % 2
    line = torch.exp(-(torch.arange(size) - size // 2).float().square() / (2 * SIGMA**2))
    window = (line[:, None] * line / line.sum() ** 2).expand(3, 1, size, size)

    def mean(picture: Tensor) -> Tensor:
        return F.conv2d(picture, window, groups=3)

    a, b = (picture.float().permute(2, 0, 1)[None] for picture in (render, photo))
    mean_a, mean_b = mean(a), mean(b)
    both, ours, theirs = mean(a * b) - mean_a * mean_b, mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    like = (2 * mean_a * mean_b + C1) * (2 * both + C2) / ((mean_a**2 + mean_b**2 + C1) * (ours + theirs + C2))
    return float(like.mean())


def steps(picture: Tensor) -> float:
    """Mean absolute step between neighbours, down and across."""
    return float(picture.diff(dim=0).abs().mean() + picture.diff(dim=1).abs().mean())
