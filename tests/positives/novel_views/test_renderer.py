"""The renderer against a loop over intervals, its gradient against differences in float64, and a wall that is known."""

import math

import pytest
import torch

from kontrast.positives.novel_views import renderer as rendering
from kontrast.positives.novel_views.field import Field
from kontrast.positives.novel_views.renderer import Renderer, distortion, weights
from kontrast.positives.novel_views.space import Space

SPACE = Space(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64))


def rays(count=6, dtype=torch.float32):
    draw = torch.Generator().manual_seed(0)
    origin = torch.tensor([0.0, 0.0, 3.0], dtype=dtype).expand(count, 3).contiguous()
    target = torch.rand(count, 3, generator=draw, dtype=dtype) - 0.5
    return origin, torch.nn.functional.normalize(target - origin, dim=1)


def test_weights_are_those_of_a_loop():
    thick_BS = torch.rand(4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    found = weights(thick_BS)
    for row in range(4):
        left = 1.0
        for at in range(7):
            stopped = left * (1 - math.exp(-thick_BS[row, at]))
            assert abs(float(found[row, at]) - stopped) < 1e-12
            left -= stopped


def test_distortion_is_the_mean_distance_of_pairs():
    draw = torch.Generator().manual_seed(0)
    weight_BS = torch.rand(3, 5, dtype=torch.float64, generator=draw)
    edge_BE = torch.rand(3, 6, dtype=torch.float64, generator=draw).sort(1).values
    middle, width = (edge_BE[:, 1:] + edge_BE[:, :-1]) / 2, edge_BE.diff(dim=1)
    for row in range(3):
        pairs = sum(
            float(weight_BS[row, i] * weight_BS[row, j] * (middle[row, i] - middle[row, j]).abs())
            for i in range(5)
            for j in range(5)
        )
        own = float((weight_BS[row] ** 2 * width[row]).sum()) / 3
        assert abs(float(distortion(weight_BS, edge_BE)[row]) - pairs - own) < 1e-12


@pytest.mark.parametrize("opaque", [True, False])
def test_gradients_are_those_of_differences(opaque, monkeypatch):
    monkeypatch.setattr(rendering, "FAINT", -1.0)  # every interval counts, so that no step hides in the differences
    monkeypatch.setattr(rendering, "INTERVALS", 6)
    origin_B3, direction_B3 = rays(3, torch.float64)
    field = Field(4).double()
    with torch.no_grad():
        for part in field.parameters():
            part.copy_(torch.randn(part.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) + 2)
    renderer = Renderer.of(field, SPACE, opaque)

    def colours(density, colour):
        named = {"density": density, "colour": colour}
        seen = torch.func.functional_call(
            _Module(renderer, field), {f"field.{k}": v for k, v in named.items()}, (origin_B3, direction_B3)
        )
        return seen.colour_B3, seen.light_B, distortion(seen.weight_BS, seen.edge_BS)

    assert torch.autograd.gradcheck(colours, (field.density, field.colour))


class _Module(torch.nn.Module):
    def __init__(self, renderer, field):
        super().__init__()
        self.renderer, self.field = renderer, field

    def forward(self, origin_B3, direction_B3):
        return self.renderer.rays(origin_B3, direction_B3)


def wall(cells=65):
    """Dense where z < 0 in the box, red."""
    field = Field(cells)
    with torch.no_grad():
        field.density.fill_(-20.0)
        field.density[0, 0, : cells // 2 + 1] = 8.0
        field.colour[0, 0], field.colour[0, 1:] = 6.0, -6.0
    return field


def test_a_wall_is_as_far_and_as_red_as_it_is():
    origin_B3, direction_B3 = rays(20)
    seen = Renderer.of(wall(), SPACE, False).rays(origin_B3, direction_B3)
    depth_B, certain_B = seen.depth()
    exact_B = -origin_B3[:, 2] / direction_B3[:, 2]
    assert ((depth_B / exact_B - 1).abs() < 0.03).all()
    assert (certain_B > 0.9).all() and (seen.light_B > 0.99).all()
    torch.testing.assert_close(seen.colour_B3, torch.tensor([[1.0, 0.0, 0.0]]).expand(20, 3), atol=0.02, rtol=0)


def test_an_opaque_scene_stops_all_light_and_an_open_one_none():
    origin_B3, direction_B3 = rays()
    field = Field(8)
    with torch.no_grad():
        field.density.fill_(-20.0)
    assert Renderer.of(field, SPACE, True).rays(origin_B3, direction_B3).light_B.min() > 0.999
    assert Renderer.of(field, SPACE, False).rays(origin_B3, direction_B3).light_B.max() < 0.001


def test_gradients_near_the_camera_are_small():
    origin_B3, direction_B3 = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    moved = []
    for far_first in (False, True):
        field = Field(
            17
        )  # cells 0.25 apart in the world: those before the camera lie at z = 0.75, those of the focus at 0
        Renderer.of(field, SPACE, False).rays(origin_B3, direction_B3, far_first=far_first).light_B.sum().backward()
        moved.append(field.density.grad[0, 0].abs().sum((1, 2)))
    near, focus = moved[1][11] / moved[0][11], moved[1][8] / moved[0][8]
    assert near < 0.5 and abs(float(focus) - 1) < 1e-3


def test_thickness_tells_a_free_way_from_a_wall():
    renderer = Renderer.of(wall(), SPACE, False)
    start, free, behind = (
        torch.tensor(place, dtype=torch.float64) for place in ([0, 0, 3.0], [1.0, 1.0, 2.0], [0, 0, -2.0])
    )
    assert renderer.thickness(start, free) < 0.01 and renderer.thickness(start, behind) > 5
