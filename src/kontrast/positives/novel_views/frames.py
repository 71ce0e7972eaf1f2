"""What a capture's files say of one photo: its file, its lens and its pose. Both readers end here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast.errors import Unfit

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lens:
    """Focal lengths and principal point in pixels of a picture of this size, and OpenCV's distortion.

    width, height  0: not said, that of the photo
    """

    focal: tuple[float, float]
    centre: tuple[float, float] | None
    distortion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    width: int = 0
    height: int = 0

    def of(self, width: int, height: int, name: str) -> Lens:
        """The same lens for the photo's own size; Unfit where that is of another shape."""
        if not self.width:
            return Lens(self.focal, self.centre or (width / 2, height / 2), self.distortion, width, height)
        across, down = width / self.width, height / self.height
        if abs(across - down) > 0.01 * across:
            raise Unfit(
                f"{name} has {width} x {height} pixels, its camera is said to have {self.width} x {self.height}: not "
                "the same shape, so it was cut or turned after the cameras were found."
            )
        centre = self.centre or (self.width / 2, self.height / 2)
        focal = (self.focal[0] * across, self.focal[1] * down)
        return Lens(focal, (centre[0] * across, centre[1] * down), self.distortion, width, height)


@dataclass(frozen=True)
class Frame:
    """One photo with its camera.

    name   as the capture calls it;  path  the file, which may be missing
    pose   camera to world, (4, 4), axes as the capture has them
    """

    name: str
    path: Path
    pose: Matrix
    lens: Lens


def number(value: Any, what: str, least: float = -np.inf) -> float:
    """A finite number out of a file, or a sentence."""
    try:
        read = float(value)
    except (TypeError, ValueError):
        read = np.nan
    if not np.isfinite(read) or read <= least:
        above = f" above {least:g}" if np.isfinite(least) else ""
        raise Unfit(f"{what}: a number{above} was expected, not {value!r}.")
    return read


def lens_of(said: Mapping[str, Any], where: str) -> Lens:
    """A lens in the words of `transforms.json`; Unfit where a word is missing or not understood."""
    model = str(said.get("camera_model", "OPENCV")).upper()
    if model not in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE"):
        raise Unfit(f"{where}: lenses of the model {model} are not read; undistort the photos to PINHOLE first.")
    if higher := [name for name in ("k3", "k4") if said.get(name)]:
        raise Unfit(f"{where}: {', '.join(higher)} of the lens is not read (k1, k2, p1, p2 are); undistort the photos.")
    width, height = (int(number(said.get(name, 0), f"{where}: {name}")) for name in ("w", "h"))
    bend = [number(said.get(name, 0.0), f"{where}: {name}") for name in ("k1", "k2", "p1", "p2")]
    centre = None
    if "cx" in said and "cy" in said:
        centre = (number(said["cx"], f"{where}: cx"), number(said["cy"], f"{where}: cy"))
    if "fl_x" in said:
        across = number(said["fl_x"], f"{where}: fl_x", 0)
        down = number(said.get("fl_y", across), f"{where}: fl_y", 0)
    elif "camera_angle_x" in said and width:
        angle = number(said["camera_angle_x"], f"{where}: camera_angle_x", 0)
        across = down = width / 2 / float(np.tan(angle / 2))
    else:
        raise Unfit(f"{where}: no focal length; fl_x, or camera_angle_x with w, was expected.")
    return Lens((across, down), centre, (bend[0], bend[1], bend[2], bend[3]), width, height)
