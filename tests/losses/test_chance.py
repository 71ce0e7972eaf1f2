"""What guessing costs, by the losses themselves and by integrals."""

import math

import numpy as np
import pytest
import torch
from tests.losses.loss_cases import made

from kontrast import losses


def test_uniform_rows_cost_the_chance_value():
    spread = losses.uniformity(made(3000, 128))
    assert float(spread) == pytest.approx(losses.chance("uniformity", width=128), abs=2e-3)
    assert losses.chance("uniformity", width=128) == pytest.approx(-3.94, abs=5e-3)


@pytest.mark.parametrize("width", [2, 3])
def test_uniformity_chance_is_the_integral(width):
    angles = (np.arange(20000) + 0.5) * math.pi / 20000
    density = np.sin(angles) ** (width - 2)
    mean = (np.exp(-2 * (2 - 2 * np.cos(angles))) * density).sum() / density.sum()
    assert losses.chance("uniformity", width=width) == pytest.approx(math.log(mean), abs=1e-6)


same = torch.testing.assert_close


def test_equal_similarities_cost_the_chance_value(engine):
    ids = torch.tensor([0, 1, 1, 2, 3, 4])
    groups = torch.tensor([7, 7, 8, 9, 10, 11])
    flat = torch.ones(3, 6, 4, dtype=torch.float64)
    chance = losses.chance
    for decoupled in (False, True):
        options = {"decoupled": decoupled, "ids_B": ids, "groups_B": groups}
        for views in (2, 3):
            same(
                losses.nt_xent(flat[:views], temperature=0.1, **options).item(),
                chance("nt_xent", batch=6, views=views, **options),
            )
        same(losses.clip(flat[0], flat[1], temperature=0.1, **options).item(), chance("clip", batch=6, **options))
        ours = losses.info_nce(flat[0], flat[1], temperature=0.1, decoupled=decoupled)
        same(ours.item(), chance("info_nce", keys=6, decoupled=decoupled))
        ours = losses.info_nce(flat[0], flat[1], positive_QD=flat[2], temperature=0.1, decoupled=decoupled)
        same(ours.item(), chance("info_nce", keys=6, own_positive=True, decoupled=decoupled))
    assert chance("nt_xent", batch=256) == pytest.approx(math.log(511))
    assert chance("clip", batch=32768) == pytest.approx(10.397, abs=1e-3)
    assert chance("info_nce", keys=65536, own_positive=True) == pytest.approx(math.log(65537))
    same(losses.sup_con(flat[0], torch.arange(6) // 2, temperature=0.1).item(), chance("sup_con", rows=6))
    image, text = torch.eye(8, dtype=torch.float64)[:4], torch.eye(8, dtype=torch.float64)[4:]
    same(losses.siglip(image, text, temperature=0.1, bias=-10.0).item(), chance("siglip", batch=4, bias=-10.0))
    codes = losses.sinkhorn(made(6, 5))
    same(losses.swapped_prediction(torch.ones(2, 6, 5).double(), codes.expand(2, 6, 5), temperature=0.1).item(),
         chance("swapped_prediction", prototypes=5))  # fmt: skip
    assert chance("byol") == 4.0
    same(2 * losses.byol(image, text).item(), chance("byol"))
    same(losses.alignment(image, text).item(), chance("alignment"))


def test_barlow_chance_is_the_mean_over_independent_views():
    values = [losses.barlow_twins(made(64, 32, key=f"a{i}"), made(64, 32, key=f"b{i}")).item() for i in range(40)]
    assert sum(values) / 40 == pytest.approx(losses.chance("barlow_twins", batch=64, width=32), rel=0.02)


def test_guessing_is_the_least_that_one_distance_costs() -> None:
    for share, margin in ((0.5, 1.0), (0.1, 2.0)):
        costs = [share * d**2 / 2 + (1 - share) * max(0, margin - d) ** 2 / 2 for d in np.linspace(0, margin, 4001)]
        assert losses.chance("margin", similar=share, margin=margin) == pytest.approx(min(costs), rel=1e-5)
