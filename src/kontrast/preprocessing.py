"""From pixels to what a network was trained to see: one deterministic look, and the numbers that say which.

These numbers belong to the weights. They are read with them (from a folder, or from the library that published them),
carried by the model, applied by evaluation, embedding, search and report alike, and written back on export.

Shapes: B pictures, C channels, H and W their sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

Pictures: TypeAlias = "Tensor | Sequence[Tensor]"  # (B, C, H, W), or B times (C, H, W) of mixed sizes

WHITE = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.float32: 1.0}


def white_of(dtype: torch.dtype, sixteen_bit: int | None = None) -> float:
    """The pixel value that stands for 1; of 16-bit pictures it may be said."""
    return float(sixteen_bit) if dtype == torch.uint16 and sixteen_bit else WHITE[dtype]


INTERPOLATIONS = {"bicubic": "bicubic", "bilinear": "bilinear", "nearest": "nearest-exact"}  # ours -> torch's
RESIZE_MODES = ("shortest", "longest", "squash")


def resize(pixels: Tensor, height: int, width: int, interpolation: str) -> Tensor:
    """(B, C, H, W) to (B, C, height, width), antialiased.

    8-bit grey and RGB by Pillow itself, as timm, torchvision and open_clip do: torch's own 8-bit kernel differs by a
    level in 0.4 % of the pixels, and in a quarter of them where Pillow resizes columns before rows (tall pictures).
    A trained network makes 0.2 % and 3 % of a vector's length out of that.
    """
    if pixels.dtype == torch.uint8 and pixels.device.type == "cpu" and pixels.shape[1] in (1, 3):
        kind = Image.Resampling[interpolation.upper()]
        rows = pixels.permute(0, 2, 3, 1).squeeze(3).contiguous().numpy()
        resized = np.stack([np.asarray(Image.fromarray(row).resize((width, height), kind)) for row in rows])
        return torch.from_numpy(resized.reshape(len(rows), height, width, -1)).permute(0, 3, 1, 2).contiguous()
    smooth = interpolation != "nearest"
    return interpolate(pixels, (height, width), mode=INTERPOLATIONS[interpolation], antialias=smooth)


@dataclass(frozen=True)
class Preprocessing:
    """How pictures are made ready: resize, cut out the central square, scale to 0 to 1, normalise.

    size           side of the square that the network takes, in pixels
    mean, std      (pixel - mean) / std, of pixels from 0 to 1; one number a channel
    interpolation  "bicubic" or "bilinear", antialiased, or "nearest"
    crop_pct       share of the resized side that the square takes: pictures are resized to floor(size / crop_pct)
    resize_mode    "shortest": the shorter side becomes that long, and the longer one is cut (timm's "center");
                   "longest": the longer one does, and the rest is filled (timm's "border"); "squash": both do
    fill           what "longest" fills with, from 0 to 1, one number a channel; empty: 0
    white          the value of 16-bit pictures that stood for 1 in training, where it saw such

    `preprocessing(pictures)` is (B, C, size, size) float32; of 8-bit pictures what timm's, torchvision's and
    open_clip's own evaluation transforms of these numbers give.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    crop_pct: float = 1.0
    resize_mode: str = "shortest"
    fill: tuple[float, ...] = ()
    white: int | None = None

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation {self.interpolation!r} is none of {', '.join(INTERPOLATIONS)}")
        if self.resize_mode not in RESIZE_MODES:
            raise ValueError(f"resize_mode {self.resize_mode!r} is none of {', '.join(RESIZE_MODES)}")
        if not 0 < self.crop_pct <= 1:
            raise ValueError(f"crop_pct must be above 0 and at most 1, got {self.crop_pct}")

    def __call__(self, pictures: Tensor | Sequence[Tensor], *, white: int | None = None) -> Tensor:
        """(B, C, size, size). Pictures of that size keep their pixels where crop_pct is 1.

        white: of 16-bit pictures, the value that stands for 1, if not 65,535.
        """
        if not isinstance(pictures, Tensor):
            return torch.cat([self(picture[None], white=white) for picture in pictures])
        height, width = self._resized(*pictures.shape[2:])
        pixels = pictures if pictures.dtype == torch.uint8 else pictures.float()
        if (height, width) != pictures.shape[2:]:
            pixels = resize(pixels, height, width, self.interpolation)
        (top, above, rows), (left, before, columns) = self._window(height), self._window(width)
        pixels = pixels[:, :, top : top + rows, left : left + columns].float() / white_of(pictures.dtype, white)
        pixels = pixels.clamp_(0, 1)
        channels, device = pixels.shape[1], pixels.device
        if (rows, columns) != (self.size, self.size):
            border_C11 = torch.tensor(self.fill or (0.0,) * channels, device=device)[:, None, None]
            whole = border_C11.expand(len(pixels), -1, self.size, self.size).clone()
            whole[:, :, above : above + rows, before : before + columns] = pixels
            pixels = whole
        shift_C11, scale_C11 = (torch.tensor(v, device=device)[:, None, None] for v in (self.mean, self.std))
        return (pixels - shift_C11) / scale_C11

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """The sides after the resize, rounded as torchvision and timm round them."""
        side = math.floor(self.size / self.crop_pct)
        if self.resize_mode == "squash":
            return side, side
        if self.resize_mode == "longest":
            ratio = max(height, width) / side
            return max(1, round(height / ratio)), max(1, round(width / ratio))
        short = min(height, width)
        return int(side * height / short), int(side * width / short)

    def _window(self, side: int) -> tuple[int, int, int]:
        """Of a side after the resize: where the square begins in it, where it begins in the square, and how much."""
        if side < self.size:
            return 0, (self.size - side) // 2, side
        return round((side - self.size) / 2), 0, self.size

    def in_words(self) -> str:
        """For a model card."""
        side = math.floor(self.size / self.crop_pct)
        smooth = self.interpolation + ("" if self.interpolation == "nearest" else ", antialiased")
        resized = {
            "shortest": f"the shorter side becomes {side} pixels ({smooth}), then the centre is taken",
            "longest": f"the longer side becomes {side} pixels ({smooth}), and a border makes it a square",
            "squash": f"both sides become {side} pixels ({smooth})",
        }[self.resize_mode]
        cut = f", {self.size} x {self.size}" if side != self.size else ""
        return resized + cut


DEFAULTS = {field.name: field.default for field in fields(Preprocessing) if field.default is not MISSING}
