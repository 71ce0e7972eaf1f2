"""Where along a ray to look: evenly at first, then where the guide says that the light stops.

Distances are drawn in a coordinate s in [0, 1]: even up to MIDDLE times the distance of the focus, then even in
1/distance, to infinity. Edges of the second round are quantiles of what the first one found (Mip-NeRF 360's proposal,
with the field's own block means for the proposal).

Shapes: B rays, G intervals of the first round, S of the second.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MIDDLE = 2.5
EVEN = 0.75  # of the coordinate, before 1/distance
FAR = 0.98  # of the rest; at 1 it would be infinity
FLOOR = 0.01  # share of the edges that goes everywhere


def distance(s: Tensor, middle_B1: Tensor) -> Tensor:
    """Distances along rays at coordinates (B, ...)."""
    return torch.where(
        s < EVEN, s * (middle_B1 / EVEN), middle_B1 / (1 - (s - EVEN) * (FAR / (1 - EVEN))).clamp_min(1 - FAR)
    )


def even(intervals: int, jitter_B1: Tensor) -> Tensor:
    """Edges (B, G + 1) of even intervals, all moved by up to half of one."""
    places = torch.arange(intervals + 1, device=jitter_B1.device, dtype=jitter_B1.dtype)
    return (places + jitter_B1 - 0.5).clamp(0, intervals) / intervals


def quantiles(edge_BG: Tensor, weight_BG: Tensor, intervals: int, jitter_B1: Tensor) -> Tensor:
    """Edges (B, S + 1) with as much weight between any two. Each weight counts for its neighbours, too."""
    wide = F.pad(weight_BG, (1, 1))
    spread = (torch.maximum(wide[:, :-2], wide[:, 1:-1]) + torch.maximum(wide[:, 1:-1], wide[:, 2:])) / 2
    passed = F.pad((spread + FLOOR / weight_BG.shape[1]).cumsum(1), (1, 0))
    passed = passed / passed[:, -1:]
    wanted = torch.arange(intervals + 1, device=edge_BG.device, dtype=edge_BG.dtype)
    wanted = ((wanted + jitter_B1) / (intervals + 1)).contiguous()
    right = torch.searchsorted(passed, wanted, right=True).clamp(1, weight_BG.shape[1])
    low, high = passed.gather(1, right - 1), passed.gather(1, right)
    begin, end = edge_BG.gather(1, right - 1), edge_BG.gather(1, right)
    return begin + (end - begin) * ((wanted - low) / (high - low).clamp_min(1e-9)).clamp(0, 1)
