import torch

from kontrast.positives.novel_views.space import Space

BOX = Space(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), torch.tensor([2.0, 2.0, 2.0], dtype=torch.float64))


def test_the_whole_world_is_in_the_cube_and_comes_back():
    point_N3 = torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 20
    inside_N3 = BOX.inside(point_N3)
    assert inside_N3.abs().max() < 1
    torch.testing.assert_close(BOX.outside(inside_N3), point_N3, rtol=1e-9, atol=1e-9)


def test_the_box_is_the_middle_half_of_the_cube():
    corner_3 = BOX.centre_3 + BOX.half_3
    torch.testing.assert_close(BOX.inside(corner_3), torch.full((3,), 0.5, dtype=torch.float64))
    just_out = BOX.inside(BOX.centre_3 + BOX.half_3 * (1 + 1e-6))
    assert (just_out - 0.5).abs().max() < 1e-6  # no step at its wall


def test_the_first_box_stands_before_all_cameras(capture):
    space = Space.around(capture.cameras)
    assert (space.inside(capture.cameras.position_V3).abs().amax(1) > 0.5).all()
    torch.testing.assert_close(space.centre_3, torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)
