"""What is drawn: each parameter's distribution, its independence of the others, and its key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import chisquare, kstest

from kontrast.positives.images.draw import TRIES, draw
from kontrast.positives.images.view import Drawn, Keys, View

N = 20_000
ALL = View(
    32,
    flip=0.5,
    jitter=0.8,
    brightness=0.8,
    contrast=0.4,
    saturation=1.5,
    hue=0.2,
    grey=0.2,
    blur=0.3,
    solarize=0.1,
    rotate=30.0,
    scale=(0.8, 1.3),
    shear=10.0,
    shift=0.2,
)


def draws(view: View = ALL, *, seed: int = 0, epoch: int = 0, number: int = 0, n: int = N, side: int = 1000) -> Drawn:
    return draw(view, number, Keys(seed, epoch, np.arange(n)), np.full((n, 2), side))


def is_uniform(values: npt.NDArray[np.float64], low: float, high: float) -> bool:
    return bool(kstest((values - low) / (high - low), "uniform").pvalue > 1e-4)


def test_uniform_strengths() -> None:
    drawn = draws()
    on = drawn.jitter
    assert is_uniform(drawn.brightness[on], 0.2, 1.8)
    assert is_uniform(drawn.contrast[on], 0.6, 1.4)
    assert is_uniform(drawn.saturation[on], 0.0, 2.5)
    assert is_uniform(drawn.hue[on], -0.2, 0.2)
    assert is_uniform(drawn.sigma[drawn.sigma > 0], 0.1, 2.0)
    assert is_uniform(drawn.angle, -30, 30)
    assert is_uniform(drawn.scale, 0.8, 1.3)
    for axis in (0, 1):
        assert is_uniform(drawn.shear[:, axis], -10, 10)
        assert is_uniform(drawn.shift[:, axis], -0.2, 0.2)
    for factor, still in ((drawn.brightness, 1), (drawn.contrast, 1), (drawn.saturation, 1), (drawn.hue, 0)):
        assert (factor[~on] == still).all()


def test_probabilities_and_orders() -> None:
    drawn = draws()
    chances = {"flip": 0.5, "jitter": 0.8, "grey": 0.2, "solarize": 0.1}
    shares = {name: vars(drawn)[name].mean() for name in chances} | {"blur": (drawn.sigma > 0).mean()}
    for name, chance in (chances | {"blur": 0.3}).items():
        assert abs(shares[name] - chance) < 4 * np.sqrt(chance * (1 - chance) / N), name
    _, counts = np.unique(drawn.order, axis=0, return_counts=True)
    assert len(counts) == 24
    assert chisquare(counts).pvalue > 1e-4
    assert (np.sort(drawn.order, axis=1) == np.arange(4)).all()


def test_crops_follow_the_area_and_the_aspect() -> None:
    """Small areas always fit, so their area is uniform and their aspect log-uniform, up to whole pixels."""
    drawn = draws(replace(ALL, crop=(0.1, 0.4)))
    area, aspect = drawn.height * drawn.width / 1e6, drawn.width / drawn.height
    assert is_uniform(area, 0.1, 0.4)
    assert is_uniform(np.log(aspect), np.log(3 / 4), np.log(4 / 3))
    assert is_uniform(drawn.top / (1000 - drawn.height), 0, 1)
    assert is_uniform(drawn.left / (1000 - drawn.width), 0, 1)


def test_crops_equal_torchvisions_in_distribution() -> None:
    import torch
    from torchvision.transforms import RandomResizedCrop

    n = 3000
    picture = torch.empty(3, 50, 90)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        theirs = np.array([RandomResizedCrop.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(n)])
    ours = draw(View(32), 0, Keys(0, 0, np.arange(n)), np.tile([50, 90], (n, 1)))
    from scipy.stats import ks_2samp

    for place, values in enumerate((ours.top, ours.left, ours.height, ours.width)):
        assert ks_2samp(values, theirs[:, place]).pvalue > 1e-4


@pytest.mark.parametrize("sides", [(1, 1), (1, 300), (300, 1), (2, 7), (33, 32), (4000, 5000)])
def test_crops_stay_inside(sides: tuple[int, int]) -> None:
    n = 2000
    for crop in ((0.08, 1.0), (0.9, 1.0), (0.001, 0.002), None):
        drawn = draw(View(32, crop), 0, Keys(0, 0, np.arange(n)), np.tile(sides, (n, 1)))
        assert (drawn.height >= 1).all() and (drawn.width >= 1).all()
        assert (drawn.top >= 0).all() and (drawn.top + drawn.height <= sides[0]).all()
        assert (drawn.left >= 0).all() and (drawn.left + drawn.width <= sides[1]).all()


def test_a_crop_that_never_fits_is_the_largest_allowed() -> None:
    drawn = draw(View(32, (0.9, 1.0)), 0, Keys(0, 0, np.arange(50)), np.tile([100, 400], (50, 1)))
    assert (drawn.height == 100).all() and (drawn.width == 133).all()
    assert TRIES == 10


def test_every_part_of_the_key_counts_and_the_batch_does_not() -> None:
    base = draws(n=500)
    for other in (draws(n=500, seed=1), draws(n=500, epoch=1), draws(n=500, number=1)):
        for name, value in vars(base).items():
            same = vars(other)[name] == value
            assert same.mean() < 0.99, name
            assert abs(np.corrcoef(value.ravel(), vars(other)[name].ravel())[0, 1]) < 0.2, name
    ids = np.array([400, 3, 77])
    part = draw(ALL, 0, Keys(0, 0, ids), np.full((3, 2), 1000))
    for name, value in vars(base.take(ids)).items():
        assert (vars(part)[name] == value).all(), name


def test_purposes_are_independent() -> None:
    drawn = draws(replace(ALL, jitter=1.0, blur=1.0))
    columns = [value.reshape(N, -1).T.astype(float) for name, value in vars(drawn).items() if name != "jitter"]
    flat = np.concatenate([c for c in columns])
    related = np.abs(np.corrcoef(flat)) - np.eye(len(flat))
    names = [
        name for name, value in vars(drawn).items() if name != "jitter" for _ in range(value.reshape(N, -1).shape[1])
    ]
    for a, b in zip(*np.where(related > 0.04)):
        pair = {names[a], names[b]}
        assert pair <= {"top", "left", "height", "width"} or pair == {"order"}, pair
