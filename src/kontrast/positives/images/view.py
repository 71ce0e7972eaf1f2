"""What a view is: its recipe, its key, and what was drawn for it. Nothing here draws.

Shapes: B pictures, C channels, H and W their sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from kontrast.preprocessing import Pictures, white_of

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Mode: TypeAlias = Literal["fast", "exact"]


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
    """The views of one paper: each element of `views` makes one tensor. `messages` tell what had to be left out."""

    name: str
    views: tuple[View, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    white: int | None = None  # of 16-bit pictures, where it is not 65,535 (4095: 12 bits)
    messages: tuple[str, ...] = ()

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
