"""The field: density and colour on a dense grid over the cube of `Space`, read by trilinear interpolation.

What is interpolated are raw values; the nonlinearity comes after, so that one cell can hold a sharp surface (ReLU
Fields). Density is per cell of the cube, not per metre: a ray gathers `softplus(raw)` for each cell that it passes.

Shapes: D, H, W cells along z, y, x; N points, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMPTY = -4.6  # of raw density: at first a cell holds up 1 % of the light
POOLED = 2  # cells of the grid along an axis for one of the guide


class Field(nn.Module):
    """A radiance field of one colour a place, from wherever it is seen.

    density   (1, 1, D, H, W) raw;  colour  (1, 3, D, H, W) raw, its channels side by side in memory
    """

    def __init__(self, cells: int) -> None:
        super().__init__()
        shape = (cells, cells, cells)
        self.density = nn.Parameter(torch.zeros(1, 1, *shape))
        self.colour = nn.Parameter(torch.zeros(1, 3, *shape).contiguous(memory_format=torch.channels_last_3d))

    @property
    def cells(self) -> int:
        return self.density.shape[2]

    def densities(self, place_N3: Tensor) -> Tensor:
        """Density per cell (N,) at places of the cube."""
        return F.softplus(_read(self.density, place_N3)[:, 0] + EMPTY)

    def colours(self, place_N3: Tensor) -> Tensor:
        """Colours (N, 3) in 0 to 1."""
        return torch.sigmoid(_read(self.colour, place_N3))

    def in_cells(self, way: Tensor) -> Tensor:
        """Lengths (...,) of ways (..., 3) through the cube, in cells."""
        cells: Tensor = way.norm(dim=-1) * ((self.cells - 1) / 2)
        return cells

    def roughness(self, axis: int, start: int, thick: int) -> tuple[Tensor, Tensor]:
        """Mean squared steps between neighbouring cells of a slab, of density and of colour: total variation."""
        density, colour = (
            sum((part.diff(dim=dim).square().mean() for dim in (2, 3, 4)), torch.zeros((), device=part.device))
            for part in (grid.narrow(2 + axis, start, thick) for grid in (self.density, self.colour))
        )
        return density, colour

    def resized(self, cells: int) -> Field:
        """The same field on a finer or coarser grid."""
        made = Field(cells).to(self.density.device)
        with torch.no_grad():
            for mine, old in zip(made.parameters(), self.parameters()):
                mine.copy_(F.interpolate(old, (cells, cells, cells), mode="trilinear", align_corners=True))
        return made


class Guide:
    """Where a field has density, roughly and cheaply: block means, read without interpolation."""

    def __init__(self, field: Field) -> None:
        with torch.no_grad():
            self.mean = F.avg_pool3d(F.softplus(field.density + EMPTY), POOLED, ceil_mode=True)[0, 0].contiguous()

    def densities(self, place_N3: Tensor) -> Tensor:
        """Density per cell (...,) near places (..., 3) of the cube."""
        side = len(self.mean)
        x, y, z = ((place_N3 + 1) * ((side - 1) / 2) + 0.5).long().clamp_(0, side - 1).unbind(-1)
        return self.mean.view(-1)[(z * side + y) * side + x]


def _read(grid: Tensor, place_N3: Tensor) -> Tensor:
    """Values (N, C) between the cells; the outermost cells lie on the rim."""
    read = F.grid_sample(grid, place_N3[None, None, None], mode="bilinear", padding_mode="border", align_corners=True)
    return read[0, :, 0, 0].T
