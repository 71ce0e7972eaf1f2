"""An encoder by its name: seed, norm, and names that are none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Unfit


def pictures(size: int, channels: int = 3, rows: int = 2) -> Tensor:
    return torch.randn(rows, channels, size, size, generator=keyed.generator("test pictures"))


def test_weights_follow_the_seed_and_the_global_generator_stays() -> None:
    before = torch.get_rng_state()
    for name in ("small", "resnet18"):
        first, same, other = (image_encoder(name, image_size=32, seed=seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[key], same[key]) for key in first)
        assert all(not torch.equal(first[key], other[key]) for key in first if first[key].ndim == 4)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet81", '"resnet18"'), ("smal", '"small"'), ("torchvision:resnet19", '"torchvision:resnet18"')],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(Unfit, match=f'no encoder "{name}"; the nearest name is {near}'):
        image_encoder(name, image_size=32, seed=0)


def test_norms_are_chosen_and_remembered() -> None:
    encoder = image_encoder("small", image_size=32, seed=0, norm="group")
    assert encoder.spec["norm"] == "group"
    x = pictures(32, rows=6)
    torch.testing.assert_close(encoder(x)[:2], encoder(x[:2]))
