"""The fast engine: a view is a linear map, ``view = M (A_y X A_x') + c``, with each picture's own A, M and c.

`A` holds crop, antialiased resize, flip and blur (`resample.py`). Brightness, contrast, saturation, hue and grey are
one affine map of the colour, because contrast pulls towards a mean that is itself linear in the mean colour. A map of
the colour commutes with a spatial map whose rows sum to 1, so blur may come before it.

It differs from torchvision's operations (`exact.py`) in three ways: one clamp at the end instead of one after each
operation, the hue turned in the chroma plane of YIQ instead of HSV, and, in small views, the mean for the contrast
taken after the blur.

Shapes: B pictures, C channels, S the side of the view.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kontrast.positives.images.blur import coloured_blur, is_dense, rows
from kontrast.positives.images.resample import filled_up, is_together, resampled
from kontrast.positives.images.threads import over_threads
from kontrast.positives.images.view import Drawn, Floats, Recipe, View
from kontrast.preprocessing import Pictures

GREY = (0.2989, 0.587, 0.114)  # torchvision's weights of the luma
FAINT = 1e-3  # of the middle weight of a large blur; what is below weighs a twentieth of a step of 1/255 together
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
RGB = np.linalg.inv(YIQ)
KEEP = RGB[:, :1] @ YIQ[:1]  # the luma
STAY = RGB[:, 1:] @ YIQ[1:]  # the chroma
MOVE = RGB[:, 1:2] @ YIQ[2:] - RGB[:, 2:] @ YIQ[1:2]  # the chroma, a quarter turn on


def render(pictures: Pictures, view: View, drawn: Drawn, recipe: Recipe) -> Tensor:
    """One view of each picture, (B, C, S, S) float32, normalised."""
    n, channels, device = len(pictures), len(recipe.mean), pictures[0].device
    pictures, drawn, blocks = filled_up(pictures, drawn, view.size)
    out_BCSS = torch.empty(len(pictures), channels, view.size, view.size, device=device)
    white = recipe.brightest(pictures)
    shift_C1, scale_C1 = (np.array(v)[:, None] for v in (recipe.mean, recipe.std))
    black_C1, white_C1 = (0 - shift_C1) / scale_C1, (1 - shift_C1) / scale_C1  # the clamp's ends, normalised
    ends_C = np.hstack([black_C1, white_C1]).tolist()
    numbers = (*(m / (white * scale_C1) for m in colours(view, drawn, channels)), black_C1, black_C1 + white_C1)
    of_pixel_BCC, of_mean_BCC, black_C1, sum_C1 = (torch.from_numpy(x).to(device, torch.float32) for x in numbers)
    pixels = resampled(pictures, view, drawn, exact=False)
    ones_S = torch.ones(view.size)

    def work(block: slice) -> None:
        x_BCSS, view_BCSS = pixels(block), out_BCSS[block]
        if is_dense(device, view.size):
            x_BCP = x_BCSS.flatten(2)
            offset_BC1 = torch.baddbmm(black_C1, of_mean_BCC[block], x_BCP.mean(2, keepdim=True))
            torch.baddbmm(offset_BC1, of_pixel_BCC[block], x_BCP, out=view_BCSS.flatten(2))
        else:
            x_SQ = rows(x_BCSS[0])
            mean_C1 = (x_SQ.T @ ones_S).view(-1, channels).mean(0)[:, None] / view.size
            offset_C1 = torch.addmm(black_C1, of_mean_BCC[block.start], mean_C1)
            sigma = float(drawn.sigma[block.start])
            coloured_blur(x_SQ, view, sigma, of_pixel_BCC[block.start], offset_C1, view_BCSS[0], FAINT)
        for channel, ends in enumerate(ends_C):
            view_BCSS[:, channel].clamp_(*ends)
        solarized = torch.from_numpy(np.flatnonzero(drawn.solarize[block])).to(device)
        if len(solarized):
            some_BCSS = view_BCSS[solarized]
            view_BCSS[solarized] = torch.minimum(some_BCSS, sum_C1[:, :, None] - some_BCSS)

    over_threads(work, blocks, together=device.type != "cpu" or is_together(pictures, view.size))
    return out_BCSS[:n]


def colours(view: View, drawn: Drawn, channels: int) -> tuple[Floats, Floats]:
    """M and N, (B, C, C), of ``out = M x + N mean(x)``: the operations in their drawn order, unclamped.

    Contrast scales what departs from the mean colour and pulls that one towards its grey, as saturation pulls each. So
    there are two chains of products, M for the departures and M + N for the mean; brightness is a factor of both.
    NumPy: products of so many so small matrices cost torch twice as much.
    """
    rgb, n = channels == 3, len(drawn.hue)
    eye_CC, grey_1C = np.eye(channels), np.array([GREY]) if rgb else np.full((1, channels), 1 / channels)
    factors = drawn.brightness, drawn.contrast, drawn.saturation if rgb else np.ones(n)
    brightness, contrast, saturation = (factor_B[:, None, None, None] for factor_B in factors)
    greyed = (drawn.grey & rgb)[:, None, None, None]
    steps_3B2CC = np.empty((3, n, 2, channels, channels))  # contrast, saturation, hue
    steps_3B2CC[0] = contrast * eye_CC
    steps_3B2CC[0, :, 1] += (1 - contrast[:, 0]) * grey_1C
    steps_3B2CC[1] = saturation * eye_CC + (1 - saturation) * grey_1C
    steps_3B2CC[2] = hue_turns(drawn.hue)[:, None] if rgb else eye_CC
    both_B2CC = brightness * np.where(greyed & view.grey_first, grey_1C, eye_CC)
    for place_B in drawn.order[drawn.order > 0].reshape(n, 3).T - 1:
        both_B2CC = steps_3B2CC[place_B, np.arange(n)] @ both_B2CC
    if not view.grey_first:
        both_B2CC = np.where(greyed, grey_1C, eye_CC) @ both_B2CC
    return both_B2CC[:, 0], both_B2CC[:, 1] - both_B2CC[:, 0]


def hue_turns(hue_B: Floats) -> Floats:
    """(B, 3, 3): the chroma plane of YIQ turned by `hue` of a full turn, in the direction of the HSV hue."""
    angle_B11 = 2 * np.pi * hue_B[:, None, None]
    turns: Floats = KEEP + np.cos(angle_B11) * STAY + np.sin(angle_B11) * MOVE
    return turns
