"""How far a render can be trusted: is what it shows one surface, and did given cameras see that surface, too?

Shapes: V given cameras, P pixels of a render.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kontrast import progress
from kontrast.positives.novel_views.cameras import Cameras
from kontrast.positives.novel_views.fit import Fit
from kontrast.positives.novel_views.renderer import CLOSE, Picture, pixels

REDUCED = 4  # depths of the given cameras, and the pixels of a render that are asked about
SEEN_BY = 2  # given cameras, for a surface to be known
LEAST = 0.5  # confidence of a render, below which it is left out
EMPTY = 0.02  # share of pixels that show anything, below which it shows nothing


@dataclass(frozen=True)
class Witnesses:
    """The given cameras, reduced, and the depths (V, H, W) that the field shows them."""

    cameras: Cameras
    depth_VHW: Tensor

    @classmethod
    def of(cls, fit: Fit) -> Witnesses:
        """Of the photos that the field learned."""
        factor = min(REDUCED, max(1, min(fit.capture.cameras.width, fit.capture.cameras.height) // 16))
        cameras, renderer = fit.capture.cameras[fit.kept].smaller(factor), fit.looking()
        views = progress.passing(range(len(cameras)), "looking from the photos' places")
        return cls(cameras, torch.stack([renderer.picture(cameras, view).depth for view in views]))

    def confidence(self, picture: Picture, cameras: Cameras, view: int) -> float:
        """0 to 1: over the pixels that show something, the mean certainty, 0 where fewer than SEEN_BY saw it."""
        rows, columns = (torch.arange(REDUCED // 2, side, REDUCED) for side in picture.depth.shape)
        shown, depth, certain = (
            part[rows][:, columns].reshape(-1) for part in (picture.light, picture.depth, picture.certain)
        )
        if float((shown > 0.5).float().mean()) < EMPTY:
            return 0.0
        pixel_P2 = pixels(cameras).view(cameras.height, cameras.width, 2)[rows][:, columns].reshape(-1, 2)
        view_P = torch.full((len(pixel_P2),), view)
        origin_P3, direction_P3 = cameras.rays(view_P, pixel_P2)
        along_P = cameras.cosine(view_P, direction_P3)
        known_P = self.seen(origin_P3 + direction_P3 * (depth.double() / along_P)[:, None]) >= SEEN_BY
        return float((certain * known_P * shown).sum() / shown.sum())

    def seen(self, place_P3: Tensor) -> Tensor:
        """By how many given cameras each place of the world is seen (P,): in the picture, and not behind something."""
        count_P = torch.zeros(len(place_P3), dtype=torch.int64)
        for view in range(len(self.cameras)):
            pixel_P2, depth_P = self.cameras.project(torch.full((len(place_P3),), view), place_P3)
            column, row = pixel_P2.nan_to_num(-1, -1, -1).floor().long().unbind(1)
            within = (column >= 0) & (row >= 0) & (column < self.cameras.width) & (row < self.cameras.height)
            within &= depth_P > 0
            there = self.depth_VHW[view][row[within], column[within]]
            count_P[within] += (depth_P[within] <= there * (1 + CLOSE)).long()
        return count_P
