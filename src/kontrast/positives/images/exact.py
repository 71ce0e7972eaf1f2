"""The exact engine: torchvision's float operations one by one, in each picture's own order, for many pictures at once.

Crop and antialiased resize, flip, then brightness, contrast, saturation and hue (HSV) with a clamp after each, grey,
Gaussian blur, solarize, normalise. As in torchvision, a bicubic resize of floats may leave [0, 1] where no later
operation clamps. Brightness, contrast and saturation are one form, ``clamp(r x + (1 - r) other)``, with black, the
mean grey or the grey picture as the other; so one pass serves the pictures that are at different operations.

Shapes: B pictures, C channels, S the side of the view; `1` where a value is shared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from kontrast.positives.images.blur import blurred
from kontrast.positives.images.resample import filled_up, is_together, resampled
from kontrast.positives.images.threads import over_threads
from kontrast.positives.images.view import Drawn, Flags, Recipe, View
from kontrast.preprocessing import Pictures

CONTRAST, SATURATION, HUE = 1, 2, 3  # places in `Drawn.order`; 0 is brightness


def render(pictures: Pictures, view: View, drawn: Drawn, recipe: Recipe) -> Tensor:
    """One view of each picture, (B, C, S, S) float32, normalised."""
    n, channels, device = len(pictures), len(recipe.mean), pictures[0].device
    pictures, drawn, blocks = filled_up(pictures, drawn, view.size)
    out_BCSS = torch.empty(len(pictures), channels, view.size, view.size, device=device)
    shift_C11, scale_C11 = (torch.tensor(v, device=device)[:, None, None] for v in (recipe.mean, recipe.std))
    pixels = resampled(pictures, view, drawn, exact=True)

    def work(block: slice) -> None:
        x_BCSS, some = pixels(block).div_(recipe.brightest(pictures)), drawn.take(np.arange(block.start, block.stop))
        if view.grey_first:
            change(x_BCSS, some.grey, luma)
        if view.jitter:
            x_BCSS = jittered(x_BCSS, some)
        if not view.grey_first:
            change(x_BCSS, some.grey, luma)
        x_BCSS = blurred(x_BCSS, view, some.sigma)
        change(x_BCSS, some.solarize, solarized)
        out_BCSS[block] = x_BCSS.sub_(shift_C11).div_(scale_C11)

    over_threads(work, blocks, together=device.type != "cpu" or is_together(pictures, view.size))
    return out_BCSS[:n]


def luma(x_BCSS: Tensor) -> Tensor:
    """(B, 1, S, S): torchvision's grey of RGB; the mean of the channels of anything else."""
    if x_BCSS.shape[1] != 3:
        return x_BCSS.mean(1, keepdim=True)
    red, green, blue = x_BCSS.split(1, dim=1)
    grey: Tensor = (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)
    return grey


def solarized(x_BCSS: Tensor) -> Tensor:
    """Inverted from the middle up."""
    return torch.where(x_BCSS >= 0.5, 1 - x_BCSS, x_BCSS)


def change(x_BCSS: Tensor, chosen_B: Flags, operation: Callable[[Tensor], Tensor]) -> None:
    """Apply an operation to the chosen pictures, in place."""
    rows = torch.from_numpy(np.flatnonzero(chosen_B)).to(x_BCSS.device)
    if len(rows):
        x_BCSS[rows] = operation(x_BCSS[rows])


def jittered(x_BCSS: Tensor, drawn: Drawn) -> Tensor:
    """The four colour operations of the pictures drawn for jitter, each picture in its own order."""
    rgb, rows_B = x_BCSS.shape[1] == 3, np.arange(len(drawn.hue))
    factors_B4 = np.stack([drawn.brightness, drawn.contrast, drawn.saturation, np.ones_like(drawn.hue)], 1)
    for place_B in drawn.order.T:
        blends_B = drawn.jitter & (place_B <= (SATURATION if rgb else CONTRAST))
        own_B = np.where(blends_B, factors_B4[rows_B, place_B], 1.0)
        to_mean_B, to_grey_B = ((1 - own_B) * (place_B == at) for at in (CONTRAST, SATURATION))
        low_B, high_B = np.where(blends_B, 0.0, -np.inf), np.where(blends_B, 1.0, np.inf)
        numbers_5B = np.stack([own_B, to_mean_B, to_grey_B, low_B, high_B])
        own, to_mean, to_grey, low, high = torch.from_numpy(numbers_5B).to(x_BCSS)[:, :, None, None, None]
        grey_B1SS = luma(x_BCSS)
        mean_B111 = grey_B1SS.mean(3, keepdim=True).mean(2, keepdim=True)  # by rows first: the same bits on any threads
        other_B1SS = torch.addcmul(mean_B111 * to_mean, grey_B1SS, to_grey)
        x_BCSS = (x_BCSS * own).add_(other_B1SS)
        torch.minimum(torch.maximum(x_BCSS, low, out=x_BCSS), high, out=x_BCSS)
        turns = np.flatnonzero(drawn.jitter & (place_B == HUE) & rgb)
        if len(turns):
            rows = torch.from_numpy(turns).to(x_BCSS.device)
            x_BCSS[rows] = hue_shifted(x_BCSS[rows], torch.from_numpy(drawn.hue[turns]).to(x_BCSS))
    return x_BCSS


def hue_shifted(x_B3SS: Tensor, hue_B: Tensor) -> Tensor:
    """The HSV hue moved by `hue` of a full turn; value and chroma stay.

    With the chroma c = max - min and the hue h in sixths of a turn, ``|h - 3| = 1 + (max + r - g - b) / c``, with
    the sign of b - g. Red falls from the max by ``c clip(2 - |h - 3|)``, green and blue as red does 2 and 4 sixths on.
    """
    red, green, blue = x_B3SS.split(1, dim=1)
    value = x_B3SS.amax(1, keepdim=True)
    chroma = value - x_B3SS.amin(1, keepdim=True)
    beyond = (value + red).sub_(green).sub_(blue).div_(chroma.clamp(min=1e-12)).add_(1)
    hue_B1SS = torch.copysign(beyond, blue - green).add_(6 * hue_B[:, None, None, None])
    h_B3SS = hue_B1SS - x_B3SS.new_tensor([0.0, 2.0, 4.0])[:, None, None]
    h_B3SS.sub_((h_B3SS / 6).round_(), alpha=6)
    fall_B3SS = h_B3SS.abs_().neg_().add_(2).clamp_(0, 1)
    outside = value - value.clamp(0, 1)  # torchvision leaves the max unclamped
    at_max_B3SS = (1 - 1e4 * fall_B3SS).clamp_(min=0)
    return fall_B3SS.mul_(chroma).neg_().add_(value).clamp_(0, 1).addcmul_(at_max_B3SS, outside)
