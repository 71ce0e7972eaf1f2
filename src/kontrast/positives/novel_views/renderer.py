"""Rays through the field: what colour comes along them, from how far, and how sure that is.

A ray that passes thicknesses t_1, t_2, ... sees of interval i
the share w_i = exp(-t_1 - ... - t_(i-1)) (1 - exp(-t_i)).
With `opaque` the last interval holds up all that is left: a scene with no open sky. Else what is left is background.

Shapes: B rays, S intervals, H and W the sides of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from kontrast.positives.novel_views import sampling
from kontrast.positives.novel_views.cameras import Cameras
from kontrast.positives.novel_views.field import Field, Guide
from kontrast.positives.novel_views.space import Space

LOOKS, INTERVALS = 96, 32  # of a ray: of the guide, and of the field
FAINT = 1e-3  # weight from which on an interval's colour is read
WALL = 20.0  # thickness that nothing passes
BLOCK = 8192  # rays at once where no gradient is kept
NEAR = 0.5  # of the distance of the focus: nearer than this, gradients shrink with the square of the distance
CLOSE = 0.1  # depths that differ by this share count as the same surface


@dataclass(frozen=True)
class Rendered:
    """What rays saw, before any background.

    colour_B3, light_B   colour, and the share of the light that was held up
    weight_BS, edge_BS   shares by interval, and the intervals' edges in the coordinate of `sampling`
    distance_BS          of the middles of the intervals from the camera
    """

    colour_B3: Tensor
    light_B: Tensor
    weight_BS: Tensor
    edge_BS: Tensor
    distance_BS: Tensor

    def depth(self) -> tuple[Tensor, Tensor]:
        """Distance (B,) by which half of what is held up is, and the share of it (B,) that is held up thereabouts."""
        passed_BS = self.weight_BS.cumsum(1)
        half_B = (passed_BS < 0.5 * passed_BS[:, -1:]).sum(1).clamp(max=passed_BS.shape[1] - 1)
        middle_B = self.distance_BS.gather(1, half_B[:, None])
        around_BS = (self.distance_BS - middle_B).abs() <= CLOSE * middle_B
        return middle_B[:, 0], (self.weight_BS * around_BS).sum(1) / self.light_B.clamp_min(1e-6)


@dataclass(frozen=True)
class Picture:
    """A rendered picture: colours (H, W, 3), depth along the camera's axis, light and certainty (H, W), all 0 to 1
    but depth."""

    colour: Tensor
    depth: Tensor
    light: Tensor
    certain: Tensor


@dataclass(frozen=True)
class Renderer:
    """A field as it is now, made ready for looking at it."""

    field: Field
    space: Space
    opaque: bool
    guide: Guide

    @classmethod
    def of(cls, field: Field, space: Space, opaque: bool) -> Renderer:
        return cls(field, space, opaque, Guide(field))

    def rays(
        self, origin_B3: Tensor, direction_B3: Tensor, jitter_B2: Tensor | None = None, *, far_first: bool = False
    ) -> Rendered:
        """Render rays (float32 origins, unit directions).

        jitter_B2   uniform in [0, 1): moves the intervals of both rounds; None: the middle of each
        far_first   scale gradients down near the camera, where a cell is seen by few rays, closely (Philip and
                    Deschaintre 2023, "Floaters no more", arXiv:2305.02756)
        """
        jitter_B2 = torch.full_like(origin_B3[:, :2], 0.5) if jitter_B2 is None else jitter_B2
        focus_B1 = (origin_B3 - self.space.centre_3.to(origin_B3)).norm(dim=1, keepdim=True)
        with torch.no_grad():
            edge_BS = self._edges(origin_B3, direction_B3, jitter_B2, sampling.MIDDLE * focus_B1)
            away_BE = sampling.distance(edge_BS, sampling.MIDDLE * focus_B1)
            middle_BS = (away_BE[:, 1:] + away_BE[:, :-1]) / 2
            passed_BS = self.field.in_cells(self._places(origin_B3, direction_B3, away_BE).diff(dim=1))
            place_BS3 = self._places(origin_B3, direction_B3, middle_BS)
        density_BS = self.field.densities(place_BS3.reshape(-1, 3)).view_as(middle_BS)
        gain_BS = (middle_BS / (NEAR * focus_B1)).square().clamp(max=1) if far_first else torch.ones_like(middle_BS)
        density_BS = _scaled(density_BS, gain_BS)
        thick_BS = density_BS * passed_BS
        if self.opaque:
            thick_BS = thick_BS + F.pad(torch.full_like(thick_BS[:, :1], WALL), (thick_BS.shape[1] - 1, 0))
        weight_BS = weights(thick_BS)
        seen_BS = weight_BS.detach() > FAINT
        colour_N3 = _scaled(self.field.colours(place_BS3[seen_BS]), gain_BS[seen_BS][:, None])
        colour_B3 = torch.zeros_like(origin_B3).index_add(
            0, seen_BS.nonzero()[:, 0], colour_N3 * weight_BS[seen_BS][:, None]
        )
        return Rendered(colour_B3, weight_BS.sum(1), weight_BS, edge_BS, middle_BS)

    @torch.no_grad()
    def picture(self, cameras: Cameras, view: int, background: float = 1.0) -> Picture:
        """What a camera sees, with this grey behind it all."""
        device = self.field.density.device
        pixel_N2 = pixels(cameras)
        view_N = torch.full((len(pixel_N2),), view)
        origin_N3, direction_N3 = cameras.rays(view_N, pixel_N2)
        along_N = cameras.cosine(view_N, direction_N3).float()
        parts: list[tuple[Tensor, ...]] = []
        for begin in range(0, len(pixel_N2), BLOCK):
            here = slice(begin, begin + BLOCK)
            seen = self.rays(origin_N3[here].float().to(device), direction_N3[here].float().to(device))
            behind = background * (1 - seen.light_B)[:, None]
            parts.append(((seen.colour_B3 + behind).clamp(0, 1), *seen.depth(), seen.light_B))
        colour, away, certain, light = (torch.cat(part).cpu() for part in zip(*parts))
        side = (cameras.height, cameras.width)
        return Picture(colour.view(*side, 3), (away * along_N).view(side), light.view(side), certain.view(side))

    @torch.no_grad()
    def thickness(self, start_3: Tensor, end_3: Tensor, steps: int = 64) -> float:
        """What the field holds up between two points of the world: below 0.5 the way is as good as free."""
        device = self.field.density.device
        share = (torch.arange(steps + 1, dtype=torch.float64) / steps)[:, None]
        place = self.space.inside(start_3 + share * (end_3 - start_3)).float().to(device)
        density = self.field.densities((place[1:] + place[:-1]) / 2)
        return float((density * self.field.in_cells(place.diff(dim=0))).sum())

    def _places(self, origin_B3: Tensor, direction_B3: Tensor, away_BS: Tensor) -> Tensor:
        return self.space.inside(origin_B3[:, None] + direction_B3[:, None] * away_BS[..., None])

    def _edges(self, origin_B3: Tensor, direction_B3: Tensor, jitter_B2: Tensor, middle_B1: Tensor) -> Tensor:
        edge_BG = sampling.even(LOOKS, jitter_B2[:, :1])
        place_BG3 = self._places(origin_B3, direction_B3, sampling.distance(edge_BG, middle_B1))
        density_BG = self.guide.densities((place_BG3[:, 1:] + place_BG3[:, :-1]) / 2)
        weight_BG = weights(density_BG.to(edge_BG) * self.field.in_cells(place_BG3.diff(dim=1)))
        return sampling.quantiles(edge_BG, weight_BG, INTERVALS, jitter_B2[:, 1:])


def weights(thick_BS: Tensor) -> Tensor:
    """The share of the light that each interval holds up, of their thicknesses."""
    return torch.exp(thick_BS - thick_BS.cumsum(1)) * -torch.expm1(-thick_BS)


def distortion(weight_BS: Tensor, edge_BE: Tensor) -> Tensor:
    """How far apart what a ray sees lies (B,): the mean distance of two drawn intervals (Mip-NeRF 360, equation 15)."""
    middle_BS, width_BS = (edge_BE[:, 1:] + edge_BE[:, :-1]) / 2, edge_BE.diff(dim=1)
    before_BS = weight_BS.cumsum(1) - weight_BS
    moment_BS = (weight_BS * middle_BS).cumsum(1) - weight_BS * middle_BS
    between_B = 2 * (weight_BS * (middle_BS * before_BS - moment_BS)).sum(1)
    return between_B + (weight_BS.square() * width_BS).sum(1) / 3


def pixels(cameras: Cameras) -> Tensor:
    """The middles (H * W, 2) of all pixels, row by row."""
    rows, columns = torch.meshgrid(torch.arange(cameras.height), torch.arange(cameras.width), indexing="ij")
    return torch.stack([columns, rows], dim=-1).view(-1, 2) + 0.5


def _scaled(value: Tensor, gain: Tensor) -> Tensor:
    """The value, its gradient times `gain`."""
    return value * gain + (value * (1 - gain)).detach()
