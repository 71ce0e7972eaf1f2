"""Two looks at the same picture: how views are drawn, and the one call that makes them.

A view is drawn, not remembered: every parameter is a pure function of (seed, epoch, sample id, view, purpose), so the
same view comes back for any batch, worker, process count or resume. `draw` makes the numbers; `fused` (fast) or
`exact` turn them into pixels; `papers` holds the recipes.

Shapes: B pictures, C channels, H and W their sides, P purposes of a draw, T tries of a crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kontrast import keyed
from kontrast.positives import exact, fused
from kontrast.positives.resample import prepare, white_of

__all__ = ["Drawn", "Keys", "Recipe", "View", "draw", "prepare", "views"]

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Pictures: TypeAlias = "Tensor | Sequence[Tensor]"  # (B, C, H, W), or B times (C, H, W) of mixed sizes
Mode: TypeAlias = Literal["fast", "exact"]

TRIES = 10  # of a crop that fits, as torchvision
PURPOSES = (
    *(f"{what} {t}" for what in ("area", "aspect") for t in range(TRIES)),
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
    jitter: float = 0.0  # probability of the next four, in a drawn order
    brightness: float = 0.0  # factor from [max(0, 1 - b), 1 + b]; the same for contrast and saturation
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0  # shift from [-h, h] of a full turn
    grey: float = 0.0
    grey_first: bool = False  # before the jitter
    blur: float = 0.0
    sigma: tuple[float, float] = (0.1, 2.0)  # of the blur, pixels of the view
    kernel: int = 23  # taps of the blur, odd
    solarize: float = 0.0
    rotate: float = 0.0  # degrees, from [-r, r]
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0  # degrees, from [-s, s], along x and along y
    shift: float = 0.0  # share of the side, from [-s, s]


@dataclass(frozen=True)
class Recipe:
    """The views of one paper: each element of `views` makes one tensor. `said` tells what had to be left out."""

    name: str
    views: tuple[View, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    white: int | None = None  # of 16-bit pictures, where it is not 65,535 (4095: 12 bits)
    said: tuple[str, ...] = ()

    def brightest(self, pictures: Pictures) -> float:
        """The pixel value that stands for 1."""
        return white_of(pictures[0].dtype, self.white)


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
    shear: Floats  # (B, 2), x then y
    shift: Floats  # (B, 2), x then y

    def take(self, rows: Integers) -> Drawn:
        """The draws of these rows."""
        return Drawn(**{name: value[rows] for name, value in vars(self).items()})


def draw(view: View, number: int, keys: Keys, sizes_B2: Integers) -> Drawn:
    """The parameters of view `number` of each picture of this height and width, from its key alone."""
    ids_B1 = np.asarray(keys.ids_B, dtype=np.int64)[:, None]
    u_BP = keyed.uniform("view", keys.seed, keys.epoch, ids_B1, number, np.arange(len(PURPOSES)))
    u = dict(zip(PURPOSES, u_BP.T))

    def within(purpose: str, low: float, high: float) -> Floats:
        drawn: Floats = low + (high - low) * u[purpose]
        return drawn

    def factor(purpose: str, strength: float) -> Floats:
        return np.where(jitter, within(purpose, max(0.0, 1.0 - strength), 1.0 + strength), 1.0)

    jitter = u["jitter"] < view.jitter
    sides_B2 = _crop_sides(view, u_BP, sizes_B2)
    where_B2 = np.stack([u["top"], u["left"]], axis=1) if view.crop else 0.5
    corners_B2 = np.floor(where_B2 * (sizes_B2 - sides_B2 + 1)).astype(np.int64)
    return Drawn(
        top=corners_B2[:, 0],
        left=corners_B2[:, 1],
        height=sides_B2[:, 0],
        width=sides_B2[:, 1],
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


def _crop_sides(view: View, u_BP: Floats, sizes_B2: Integers) -> Integers:
    """Height and width of the crop: the first of ten tries that fits, else the largest of an allowed aspect."""
    if view.crop is None:
        return np.repeat(sizes_B2.min(axis=1, keepdims=True), 2, axis=1)
    (least, most), (slim, broad) = view.crop, view.aspect
    area_BT = (least + (most - least) * u_BP[:, :TRIES]) * sizes_B2.prod(axis=1, keepdims=True)
    aspect_BT = slim * (broad / slim) ** u_BP[:, TRIES : 2 * TRIES]
    tries_BT2 = np.round(np.sqrt(np.stack([area_BT / aspect_BT, area_BT * aspect_BT], axis=2))).astype(np.int64)
    fits_BT = ((tries_BT2 > 0) & (tries_BT2 <= sizes_B2[:, None])).all(axis=2)
    first_B2 = tries_BT2[np.arange(len(sizes_B2)), fits_BT.argmax(axis=1)]
    whole_B2 = np.round(sizes_B2[:, ::-1] * [1 / slim, broad]).astype(np.int64)
    return np.where(fits_BT.any(axis=1, keepdims=True), first_B2, np.clip(whole_B2, 1, sizes_B2))


def views(pictures: Pictures, recipe: Recipe, keys: Keys, *, mode: Mode = "fast") -> list[Tensor]:
    """One float32 tensor (B, C, size, size) for each view of the recipe, normalised: (pixel / white - mean) / std.

    `pictures` is (B, C, H, W), or a list of (C, H, W) of mixed sizes; uint8, uint16, or float32 in [0, 1]. A picture's
    view is bit-equal on one device in any batch of its kind (tensor or list). `mode="fast"`: one linear map, the hue in
    YIQ, one clamp; `"exact"`: torchvision's float operations, one by one. ValueError where these do not fit together.
    """
    if len(pictures) != len(keys.ids_B):
        raise ValueError(f"keys.ids_B names {len(keys.ids_B)} samples, but there are {len(pictures)} pictures.")
    each = pictures[:1] if isinstance(pictures, Tensor) else pictures  # those of a tensor have one shape
    if any(picture.shape[0] != len(recipe.mean) for picture in each):
        raise ValueError(f"The recipe {recipe.name} is for {len(recipe.mean)} channels; the pictures have others.")
    sizes_B2 = np.broadcast_to([picture.shape[1:] for picture in each], (len(pictures), 2))
    render = {"fast": fused.render, "exact": exact.render}[mode]
    return [render(pictures, view, draw(view, n, keys, sizes_B2), recipe) for n, view in enumerate(recipe.views)]
