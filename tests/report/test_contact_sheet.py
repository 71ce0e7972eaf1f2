"""Contact sheets show the pictures they were given, in their places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kontrast.positives.images import papers, views
from kontrast.positives.images.draw import draw
from kontrast.positives.images.view import Keys
from kontrast.report.contact_sheet import CELL, GAP, neighbour_sheet, told, views_sheet


def coloured(*colours: tuple[int, int, int]) -> torch.Tensor:
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, -1, 8, 8).contiguous()


def test_originals_then_views_denormalised() -> None:
    pictures, keys = coloured((255, 0, 0), (0, 0, 255)), Keys(0, 0, np.array([4, 9]))
    recipe = papers.recipe("clip", 16, 3)
    page = views_sheet(pictures, views(pictures, recipe, keys), recipe, keys)
    cell = 16 * (CELL // 16)
    for row, colour in enumerate([(255, 0, 0), (0, 0, 255)]):
        high = (page.height - GAP) // 2
        middle = GAP + row * high + cell // 2
        for column in (0, 1):
            seen = np.array(page.getpixel((GAP + column * (cell + GAP) + cell // 2, middle)))
            assert np.abs(seen - colour).max() <= 1


def test_what_was_drawn_is_told() -> None:
    view = papers.recipe("byol", 32, 3).views[0]
    drawn = draw(view, 0, Keys(0, 0, np.arange(20)), np.full((20, 2), 50))
    for row in range(20):
        words = told(view, drawn, row)
        assert f"crop {drawn.width[row]}x{drawn.height[row]}" in words
        assert ("flipped" in words) == drawn.flip[row]
        assert ("hue" in words) == drawn.jitter[row]
        assert "blur" in words


@pytest.mark.parametrize("channels, dtype", [(1, torch.uint8), (3, torch.uint16), (5, torch.uint8)])
def test_any_picture_can_be_shown(channels: int, dtype: torch.dtype) -> None:
    pictures = [torch.full((channels, *sides), 200, dtype=dtype) for sides in ((1, 1), (300, 20), (8, 8))]
    recipe = papers.recipe("plain", 20, channels)
    keys = Keys(0, 0, np.arange(3))
    assert views_sheet(pictures, views(pictures, recipe, keys), recipe).size[0] > 0
    assert neighbour_sheet([(pictures[0], [(pictures[1], 0.5)]), (pictures[2], [])]).size[0] > 0
