import torch
from torch.nn import functional as F

from kontrast.positives.novel_views.field import EMPTY, POOLED, Field, Guide


def random_field(cells=5):
    field = Field(cells)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in field.parameters():
            part.copy_(torch.randn(part.shape, generator=draw))
    return field


def test_values_lie_on_cells_and_between_them():
    field = random_field()
    place_N3 = torch.tensor([[-1.0, 0.0, 0.5], [1.0, 1.0, 1.0], [-0.75, 0.0, 0.5]])  # x, y, z; cells 0.5 apart
    raw = field.density[0, 0]
    wanted = torch.stack([raw[3, 2, 0], raw[4, 4, 4], (raw[3, 2, 0] + raw[3, 2, 1]) / 2])
    torch.testing.assert_close(field.densities(place_N3), F.softplus(wanted + EMPTY))
    torch.testing.assert_close(field.colours(place_N3[:1])[0], torch.sigmoid(field.colour[0, :, 3, 2, 0]))


def test_a_finer_grid_says_the_same():
    field = random_field()
    place_N3 = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    finer = field.resized(9)  # its cells hold the old ones
    torch.testing.assert_close(finer.densities(place_N3), field.densities(place_N3), atol=1e-5, rtol=1e-4)
    assert finer.colour.is_contiguous(memory_format=torch.channels_last_3d)


def test_roughness_is_of_neighbours():
    field = Field(4)
    with torch.no_grad():
        field.density[0, 0] = torch.arange(4.0)[:, None, None] * 2  # steps of 2 along one axis of three
    density, colour = field.roughness(0, 0, 4)
    assert float(density.detach()) == 4.0 and float(colour.detach()) == 0.0


def test_a_guide_has_the_means_of_blocks():
    field = random_field(4)
    guide = Guide(field)
    block = F.softplus(field.density[0, 0, :POOLED, :POOLED, 2:] + EMPTY).mean()
    torch.testing.assert_close(guide.densities(torch.tensor([1.0, -1.0, -1.0])), block.detach())
