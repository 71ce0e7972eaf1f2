"""The look of a model at its pictures as a graph: 8-bit pixels of any size in, what the network takes out.

The arithmetic is Pillow's own, so that a program without Pillow sees what was evaluated to the bit: weights of 22 bits
after the point, two passes, each rounded to a byte. Pictures more than twice as high as wide go through the passes in
the other order, as in Pillow 13.

Shapes: B pictures of one size, C channels, h x w pixels in, S the side of the square that comes out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kontrast.preprocessing import Preprocessing

BITS = 22  # of Pillow's weights, after the point
KERNELS = ("bicubic", "bilinear")


class Pixels(nn.Module):
    """uint8 (B, C, h, w) to float32 (B, C, S, S): what `look(pixels)` gives, for looks that `says_it` accepts."""

    mean: Tensor
    std: Tensor

    def __init__(self, look: Preprocessing) -> None:
        super().__init__()
        self.size, self.side, self.kernel = look.size, int(look.size / look.crop_pct), look.interpolation
        self.register_buffer("mean", torch.tensor(look.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(look.std)[:, None, None])

    def forward(self, pixels_BChw: Tensor) -> Tensor:
        h, w = pixels_BChw.shape[2:]
        high, wide = (torch.scalar_tensor(side, dtype=torch.float64) for side in (h, w))
        short = torch.minimum(high, wide)
        rows, columns = (torch.trunc(self.side * side / short) for side in (high, wide))
        up_Sh, across_wS = self.weights(high, rows, h), self.weights(wide, columns, w).T
        tall = torch.logical_and(high > 2 * wide, wide > self.side)
        square: Tensor = torch.cond(tall, _down_first, _across_first, (pixels_BChw.double(), up_Sh, across_wS))
        return (square.float() / 255 - self.mean) / self.std

    def weights(self, side: Tensor, resized: Tensor, pixels: int) -> Tensor:
        """(S, pixels): what each pixel of a side gives to each of the central S after the side is resized."""
        place_S = torch.arange(self.size, dtype=torch.float64) + torch.round((resized - self.size) / 2)
        scale = side / resized
        center_S1 = ((place_S + 0.5) * scale)[:, None]
        apart = (torch.arange(pixels, dtype=torch.float64) - center_S1 + 0.5) / torch.clamp(scale, min=1.0)
        share = kernel(apart.abs(), self.kernel)
        whole = share / share.sum(dim=1, keepdim=True) * (1 << BITS)
        return torch.trunc(whole + torch.where(whole < 0, -0.5, 0.5))


def kernel(x: Tensor, name: str) -> Tensor:
    """Pillow's filters at distances x >= 0: a triangle, or Keys' cubic with a = -0.5."""
    if name == "bilinear":
        return (1 - x).clamp(min=0)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _pass(sums: Tensor) -> Tensor:
    """Sums of pixels times weights, rounded to what a byte holds."""
    return torch.floor((sums + (1 << (BITS - 1))) / (1 << BITS)).clamp(0, 255)


def _across_first(pixels: Tensor, up: Tensor, across: Tensor) -> Tensor:
    return _pass(up @ _pass(pixels @ across))


def _down_first(pixels: Tensor, up: Tensor, across: Tensor) -> Tensor:
    return _pass(_pass(up @ pixels) @ across)


def says_it(look: Preprocessing) -> str:
    """Why the graph cannot say this look, in words that end a sentence; "" where it can."""
    if look.white is not None:
        return "its graph takes 8-bit pixels, and this model was trained on 16-bit ones"
    if look.resize_mode != "shortest" or look.interpolation not in KERNELS or len(look.mean) not in (1, 3):
        return "its graph makes the shorter side fit by a bicubic or bilinear filter and cuts the centre out"
    return ""
