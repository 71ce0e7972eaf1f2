"""The papers' heads, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kontrast.encoders.heads import mlp
from kontrast.encoders.norm import BatchNorm


def said(head: nn.Sequential) -> list[str]:
    """Linear as "8>4 bias", BatchNorm as "norm scale shift", ReLU as "relu"."""
    words = []
    for layer in head:
        if isinstance(layer, nn.Linear):
            words.append(f"{layer.in_features}>{layer.out_features}" + (" bias" if layer.bias is not None else ""))
        elif isinstance(layer, BatchNorm):
            parts = ["norm", *["scale"][: layer.weight is not None], *["shift"][: layer.bias is not None]]
            words.append(" ".join(parts))
        else:
            words.append(type(layer).__name__.lower())
    return words


@pytest.mark.parametrize(
    ("head", "layers"),
    [
        (mlp([8, 8, 4], last_norm="scale", seed=0), ["8>8", "norm scale shift", "relu", "8>4", "norm scale"]),
        (
            mlp([8, 8, 8, 4], last_norm="scale", seed=0),
            ["8>8", "norm scale shift", "relu", "8>8", "norm scale shift", "relu", "8>4", "norm scale"],
        ),
        (mlp([8, 4], bias=True, seed=0), ["8>4 bias"]),
        (mlp([8, 8, 4], norm=False, bias=True, seed=0), ["8>8 bias", "relu", "8>4 bias"]),
        (mlp([8, 6, 4], bias=True, seed=0), ["8>6 bias", "norm scale shift", "relu", "8>4 bias".replace("8", "6")]),
        (mlp([8, 6, 4], bias=(True, False), seed=0), ["8>6 bias", "norm scale shift", "relu", "6>4"]),
        (
            mlp([8, 6, 6, 6], last_norm="plain", seed=0),
            ["8>6", "norm scale shift", "relu", "6>6", "norm scale shift", "relu", "6>6", "norm"],
        ),
    ],
    ids=["SimCLR v1", "SimCLR v2", "MoCo v1", "MoCo v2", "SwAV", "BYOL", "Barlow Twins"],
)
def test_papers_heads(head: nn.Sequential, layers: list[str]) -> None:
    assert said(head) == layers
    assert head(torch.randn(5, 8, generator=torch.Generator())).shape[0] == 5


def test_weights_follow_seed_and_name_and_nothing_else() -> None:
    before = torch.get_rng_state()
    first, same, seed, name = (
        mlp([300, 200, 50], bias=True, seed=s, name=n) for s, n in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))
    )
    assert torch.equal(torch.get_rng_state(), before)
    for mine, equal, *others in zip(*(head.parameters() for head in (first, same, seed, name))):
        assert torch.equal(mine, equal)
        if mine.unique().numel() > 1:
            assert not any(torch.equal(mine, other) for other in others)
    weight = first[0].weight.detach()
    assert weight.abs().max() <= 300**-0.5
    assert float(weight.std()) == pytest.approx((3 * 300) ** -0.5, rel=0.01)
    assert not torch.equal(first[0].weight[:50, :200], first[3].weight)


def test_an_unknown_last_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="last_norm must be"):
        mlp([8, 4], last_norm="batch", seed=0)
