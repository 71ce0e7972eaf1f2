"""Two looks at the same picture: how views are drawn, and the one call that makes them.

A view is drawn, not remembered: every parameter is a pure function of (seed, epoch, sample id, view, purpose), so the
same view comes back for any batch, worker, process count or resume. `draw` makes the numbers; `fused` or `exact` turn
them into pixels.

Shapes: B samples, C channels, P purposes (columns of draws), T tries of a crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kontrast import keyed
from kontrast.positives import exact, fused

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Pictures: TypeAlias = "Tensor | Sequence[Tensor]"
Mode: TypeAlias = Literal["fast", "exact"]

WHITE = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.float32: 1.0}
TRIES = 10  # of a crop that fits, as torchvision
PURPOSES = (
    *(f"area {t}" for t in range(TRIES)),
    *(f"aspect {t}" for t in range(TRIES)),
    *("top", "left", "flip", "jitter", "brightness", "contrast", "saturation", "hue", "order", "grey", "blur", "sigma"),
    *("solarize", "angle", "scale", "shear x", "shear y", "shift x", "shift y"),
)
ORDERS = np.array(list(permutations(range(4))))  # of brightness, contrast, saturation, hue


class Keys(NamedTuple):
    """Which views: those of these samples, in this epoch, of this seed."""

    seed: int
    epoch: int
    ids_B: Integers


@dataclass(frozen=True)
class View:
    """How one crop of a picture is drawn. Probabilities are in [0, 1]; strengths are torchvision's."""

    size: int
    crop: tuple[float, float] | None = (0.08, 1.0)  # share of the area; None: the central square
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    flip: float = 0.5
    jitter: float = 0.0
    brightness: float = 0.0  # factor from [max(0, 1 - b), 1 + b]; the same for contrast and saturation
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0  # shift from [-h, h] of a full turn
    grey: float = 0.0
    grey_first: bool = False  # MoCo v1 turns grey before the jitter
    blur: float = 0.0
    sigma: tuple[float, float] = (0.1, 2.0)  # of the blur, pixels of the view
    kernel: int = 23  # taps of the blur, odd
    solarize: float = 0.0
    rotate: float = 0.0  # degrees, from [-r, r]
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0  # degrees, from [-s, s], along x and along y
    shift: float = 0.0  # share of the side, from [-s, s]

    @property
    def is_turned(self) -> bool:
        """Whether rotation, scale, shear or shift move anything."""
        return bool(self.rotate or self.shear or self.shift) or self.scale != (1.0, 1.0)


@dataclass(frozen=True)
class Recipe:
    """The views of one paper: each element of `views` makes one tensor. `said` tells what had to be left out."""

    name: str
    views: tuple[View, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    white: float | None = None  # the brightest value, where it is not the dtype's (4095 for 12-bit pictures)
    said: tuple[str, ...] = ()

    @property
    def is_scaled(self) -> bool:
        """Whether the mean and the standard deviation change anything."""
        return any(self.mean) or any(std != 1.0 for std in self.std)

    def brightest(self, pictures: Pictures) -> float:
        """The pixel value that stands for 1."""
        return self.white or WHITE[pictures[0].dtype]


@dataclass(frozen=True)
class Drawn:
    """What was drawn for one view of B pictures; every field has B rows."""

    top: Integers
    left: Integers
    height: Integers
    width: Integers
    flip: Flags
    jitter: Flags
    order: Integers  # (B, 4): which of brightness, contrast, saturation, hue comes when
    brightness: Floats
    contrast: Floats
    saturation: Floats
    hue: Floats
    grey: Flags
    sigma: Floats  # 0: no blur
    solarize: Flags
    angle: Floats
    scale: Floats
    shear: Floats  # (B, 2)
    shift: Floats  # (B, 2), x then y

    def take(self, rows: Integers) -> Drawn:
        """The draws of these rows."""
        return Drawn(**{name: value[rows] for name, value in vars(self).items()})


def draw(view: View, number: int, keys: Keys, heights_B: Integers, widths_B: Integers) -> Drawn:
    """The parameters of view `number` of each picture, from its key alone."""
    ids_B1 = np.asarray(keys.ids_B, dtype=np.int64)[:, None]
    u_BP = keyed.uniform("view", keys.seed, keys.epoch, ids_B1, number, np.arange(len(PURPOSES)))
    u = dict(zip(PURPOSES, u_BP.T))

    def within(purpose: str, low: float, high: float) -> Floats:
        return low + (high - low) * u[purpose]

    jitter = u["jitter"] < view.jitter

    def factor(purpose: str, strength: float) -> Floats:
        return np.where(jitter, within(purpose, max(0.0, 1.0 - strength), 1.0 + strength), 1.0)

    height, width = _crop_sizes(view, u_BP, heights_B, widths_B)
    central = view.crop is None
    return Drawn(
        top=_place(0.5 if central else u["top"], heights_B - height),
        left=_place(0.5 if central else u["left"], widths_B - width),
        height=height,
        width=width,
        flip=u["flip"] < view.flip,
        jitter=jitter,
        order=ORDERS[(u["order"] * len(ORDERS)).astype(np.int64)],
        brightness=factor("brightness", view.brightness),
        contrast=factor("contrast", view.contrast),
        saturation=factor("saturation", view.saturation),
        hue=np.where(jitter, within("hue", -view.hue, view.hue), 0.0),
        grey=u["grey"] < view.grey,
        sigma=np.where(u["blur"] < view.blur, within("sigma", *view.sigma), 0.0),
        solarize=u["solarize"] < view.solarize,
        angle=within("angle", -view.rotate, view.rotate),
        scale=within("scale", *view.scale),
        shear=np.stack([within(f"shear {axis}", -view.shear, view.shear) for axis in "xy"], axis=1),
        shift=np.stack([within(f"shift {axis}", -view.shift, view.shift) for axis in "xy"], axis=1),
    )


def _place(u: Floats | float, room_B: Integers) -> Integers:
    return np.floor(u * (room_B + 1)).astype(np.int64)


def _crop_sizes(view: View, u_BP: Floats, heights_B: Integers, widths_B: Integers) -> tuple[Integers, Integers]:
    """Height and width of the crop: the first of ten tries that fits, else the largest of a fair aspect."""
    if view.crop is None:
        side_B = np.minimum(heights_B, widths_B)
        return side_B, side_B
    low, high = view.crop
    slim, broad = view.aspect
    area_BT = (low + (high - low) * u_BP[:, :TRIES]) * (heights_B * widths_B)[:, None]
    aspect_BT = np.exp(np.log(slim) + np.log(broad / slim) * u_BP[:, TRIES : 2 * TRIES])
    height_BT = np.round(np.sqrt(area_BT / aspect_BT)).astype(np.int64)
    width_BT = np.round(np.sqrt(area_BT * aspect_BT)).astype(np.int64)
    fits_BT = (height_BT > 0) & (height_BT <= heights_B[:, None]) & (width_BT > 0) & (width_BT <= widths_B[:, None])
    rows_B, first_B = np.arange(len(heights_B)), fits_BT.argmax(axis=1)
    whole_height_B = np.minimum(heights_B, np.maximum(1, np.round(widths_B / slim).astype(np.int64)))
    whole_width_B = np.minimum(widths_B, np.maximum(1, np.round(heights_B * broad).astype(np.int64)))
    fits_B = fits_BT.any(axis=1)
    return (
        np.where(fits_B, height_BT[rows_B, first_B], whole_height_B),
        np.where(fits_B, width_BT[rows_B, first_B], whole_width_B),
    )


def views(pictures: Pictures, recipe: Recipe, keys: Keys, *, mode: Mode = "fast") -> list[Tensor]:
    """One float32 tensor (B, C, size, size) for each view of the recipe, normalised: out = (pixel / white - mean) / std.

    `pictures` is (B, C, H, W), or a list of (C, H, W) of mixed sizes; uint8, uint16, or float32 in [0, 1]. A pure
    function of its arguments: a sample's pixels are bit-equal on one device in any batch of the same kind (tensor or
    list). `mode="exact"` follows torchvision's float operations one by one; `"fast"` makes one linear map of them, with
    the hue turned in YIQ and one clamp at the end.
    """
    if len(pictures) != len(keys.ids_B):
        raise ValueError(f"keys.ids_B names {len(keys.ids_B)} samples, but there are {len(pictures)} pictures.")
    sizes_B2 = np.array([picture.shape[-2:] for picture in pictures], dtype=np.int64).reshape(-1, 2)
    render = {"fast": fused.render, "exact": exact.render}[mode]
    made = []
    for number, view in enumerate(recipe.views):
        drawn = draw(view, number, keys, sizes_B2[:, 0], sizes_B2[:, 1])
        made.append(render(pictures, view, drawn, recipe))
    return made


def prepare(
    pictures: Pictures, size: int, mean: Sequence[float], std: Sequence[float], *, white: float | None = None
) -> Tensor:
    """The same look for everyone, for evaluation: shorter side to `size` (antialiased bicubic), centre, normalise.

    Returns (B, C, size, size) float32. Pictures of that size already are only normalised.
    """
    ready = []
    for picture in pictures:
        height, width = picture.shape[-2:]
        short = min(height, width)
        grown = (int(size * height / short), int(size * width / short))
        top, left = (round((side - size) / 2) for side in grown)
        pixels = picture.float()[None] / (white or WHITE[picture.dtype])
        if grown != (height, width):
            pixels = interpolate(pixels, grown, mode="bicubic", antialias=True).clamp_(0, 1)
        ready.append(pixels[0, :, top : top + size, left : left + size])
    shift_C11 = torch.tensor(mean, device=ready[0].device)[:, None, None]
    return torch.stack(ready).sub_(shift_C11).div_(torch.tensor(std, device=ready[0].device)[:, None, None])
