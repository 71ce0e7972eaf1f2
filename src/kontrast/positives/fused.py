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

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kontrast.positives.blur import coloured_blur, is_dense, rows
from kontrast.positives.resample import filled_up, resampled
from kontrast.positives.threads import over_threads

if TYPE_CHECKING:
    from kontrast.positives.images import Drawn, Floats, Pictures, Recipe, View

GREY = (0.2989, 0.587, 0.114)  # torchvision's weights of the luma
FAINT = 1e-3  # of the middle weight of a large blur; what is below weighs a twentieth of a step of 1/255 together
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], dtype=torch.float64)
RGB = YIQ.inverse()
KEEP = RGB[:, :1] @ YIQ[:1]  # the luma
STAY = RGB[:, 1:] @ YIQ[1:]  # the chroma
MOVE = RGB[:, 1:2] @ YIQ[2:] - RGB[:, 2:] @ YIQ[1:2]  # the chroma, a quarter turn on


def render(pictures: Pictures, view: View, drawn: Drawn, recipe: Recipe) -> Tensor:
    """One view of each picture, (B, C, S, S) float32, normalised."""
    n, channels, device = len(pictures), len(recipe.mean), pictures[0].device
    pictures, drawn, blocks = filled_up(pictures, drawn, view.size)
    out_BCSS = torch.empty(len(pictures), channels, view.size, view.size, device=device)
    white = recipe.brightest(pictures)
    of_pixel_BCC, of_mean_BCC = (m.div_(white).to(device, torch.float32) for m in colours(view, drawn, channels))
    shift_C11, scale_C11 = (torch.tensor(v, device=device)[:, None, None] for v in (recipe.mean, recipe.std))
    as_is = not any(recipe.mean) and set(recipe.std) == {1.0}
    pixels = resampled(pictures, view, drawn, exact=False)
    ones_S = torch.ones(view.size)

    def work(block: slice) -> None:
        x_BCSS, view_BCSS = pixels(block), out_BCSS[block]
        if is_dense(device, view.size):
            x_BCP = x_BCSS.flatten(2)
            offset_BC1 = of_mean_BCC[block] @ x_BCP.mean(2, keepdim=True)
            torch.baddbmm(offset_BC1, of_pixel_BCC[block], x_BCP, out=view_BCSS.flatten(2)).clamp_(0, 1)
        else:
            x_SQ = rows(x_BCSS[0])
            mean_C1 = (x_SQ.T @ ones_S).view(-1, channels).mean(0)[:, None] / view.size
            of_pixel_CC, offset_C1 = of_pixel_BCC[block.start], of_mean_BCC[block.start] @ mean_C1
            sigma = float(drawn.sigma[block.start])
            coloured_blur(x_SQ, view, sigma, of_pixel_CC, offset_C1, view_BCSS[0], FAINT)
            view_BCSS.clamp_(0, 1)
        solarized = torch.from_numpy(np.flatnonzero(drawn.solarize[block])).to(device)
        if len(solarized):
            view_BCSS[solarized] = torch.where(
                view_BCSS[solarized] >= 0.5, 1 - view_BCSS[solarized], view_BCSS[solarized]
            )
        if not as_is:
            view_BCSS.sub_(shift_C11).div_(scale_C11)

    over_threads(work, blocks, device)
    return out_BCSS[:n]


def colours(view: View, drawn: Drawn, channels: int) -> tuple[Tensor, Tensor]:
    """M and N, (B, C, C) float64, of ``out = M x + N mean(x)``: the operations in their drawn order, unclamped."""
    rgb, n = channels == 3, len(drawn.hue)
    eye_CC = torch.eye(channels, dtype=torch.float64)
    grey_CC = (torch.tensor(GREY) if rgb else torch.full((channels,), 1 / channels)).double().expand(channels, -1)
    draws = (drawn.brightness, drawn.contrast, drawn.saturation, drawn.grey & rgb)
    brightness, contrast, saturation, greyed = (torch.from_numpy(d)[:, None, None] for d in draws)
    saturated_BCC = saturation * eye_CC + (1 - saturation) * grey_CC if rgb else eye_CC.expand(n, -1, -1)
    turned_BCC = hue_turns(drawn.hue) if rgb else eye_CC.expand(n, -1, -1)
    steps_4BCC = torch.stack([brightness * eye_CC, contrast * eye_CC, saturated_BCC, turned_BCC])
    of_pixel_BCC = torch.where(greyed & view.grey_first, grey_CC, eye_CC)
    of_mean_BCC = torch.zeros_like(of_pixel_BCC)
    for place_B in torch.from_numpy(drawn.order).T:
        step_BCC = steps_4BCC[place_B, torch.arange(n)]
        pull_B11 = (1 - contrast) * (place_B == 1)[:, None, None]  # towards the mean grey of what came before
        of_mean_BCC = step_BCC @ of_mean_BCC + pull_B11 * (grey_CC @ (of_pixel_BCC + of_mean_BCC))
        of_pixel_BCC = step_BCC @ of_pixel_BCC
    grey_BCC = torch.where(greyed & (not view.grey_first), grey_CC, eye_CC)
    return grey_BCC @ of_pixel_BCC, grey_BCC @ of_mean_BCC


def hue_turns(hue_B: Floats) -> Tensor:
    """(B, 3, 3): the chroma plane of YIQ turned by `hue` of a full turn, in the direction of the HSV hue."""
    cos_B11, sin_B11 = (torch.from_numpy(f(2 * np.pi * hue_B))[:, None, None] for f in (np.cos, np.sin))
    return KEEP + cos_B11 * STAY + sin_B11 * MOVE
