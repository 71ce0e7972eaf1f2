"""The world in a cube: a box as it is, and everything around it, to infinity, in a rim.

Within the box places are linear; outside, a place n half boxes away (in the largest of its three coordinates) lies at
2 - 1/n, so the whole world is the cube [-2, 2]^3, which is divided by 2. Source: the contraction of Mip-NeRF 360 with
the largest coordinate for the length, as nerfstudio has it, so that the cube is filled.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kontrast.positives.novel_views.cameras import Cameras

REACH = 0.5  # the first box goes half the way from the focus to the nearest camera


@dataclass(frozen=True)
class Space:
    """A box of the world: centre (3,), half its sides (3,), float64."""

    centre_3: Tensor
    half_3: Tensor

    @classmethod
    def around(cls, cameras: Cameras) -> Space:
        """A first guess: a cube about the point that all cameras look at."""
        focus_3 = cameras.focus()
        nearest = (cameras.position_V3 - focus_3).norm(dim=1).min()
        return cls(focus_3, (REACH * nearest).expand(3).clone())

    def inside(self, point: Tensor) -> Tensor:
        """Places (..., 3) of the world in the cube [-1, 1]^3."""
        scaled = (point - self.centre_3.to(point)) / self.half_3.to(point)
        length = scaled.abs().amax(-1, keepdim=True).clamp_min(1)
        return scaled * ((2 - 1 / length) / length / 2)

    def outside(self, place: Tensor) -> Tensor:
        """The inverse of `inside`; the rim itself is infinitely far."""
        doubled = 2 * place
        length = doubled.abs().amax(-1, keepdim=True).clamp_min(1)
        scaled = doubled / (length * (2 - length).clamp_min(1e-6))
        return scaled * self.half_3.to(place) + self.centre_3.to(place)
