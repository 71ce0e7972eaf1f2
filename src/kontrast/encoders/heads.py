"""Projection and prediction heads: small MLPs, thrown away after training.

The papers' heads (H encoder width, D embedding width), all by `mlp`:

    SimCLR v1     mlp([H, H, 128], last_norm="scale")         bias-free; the last BatchNorm has no shift
    SimCLR v2     mlp([H, H, H, 128], last_norm="scale")      one layer deeper
    MoCo v1       mlp([H, 128], bias=True)
    MoCo v2       mlp([H, H, 128], norm=False, bias=True)
    SwAV          mlp([H, 2048, 128], bias=True)
    BYOL          mlp([H, 4096, 256], bias=(True, False))     its predictor: mlp([256, 4096, 256], bias=(True, False))
    Barlow Twins  mlp([H, 8192, 8192, 8192])                  its last, affine-free norm is part of the loss
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from kontrast import keyed
from kontrast.encoders.norm import BatchNorm


def mlp(
    widths: Sequence[int],
    *,
    seed: int,
    name: str = "projector",
    norm: bool = True,
    last_norm: str | None = None,
    bias: bool | tuple[bool, bool] = False,
) -> nn.Sequential:
    """(B, H) -> (B, D): Linear, BatchNorm, ReLU for every hidden width, then one Linear.

    norm       a BatchNorm after each hidden Linear
    last_norm  a BatchNorm after the last Linear: None, "scale" (scale, no shift) or "plain" (neither)
    bias       of the Linears; a pair means (hidden ones, last one)
    The weights are torch's own uniform +-1/sqrt(fan in), drawn by (name, seed): two heads need two names.
    """
    if last_norm not in (None, "scale", "plain"):
        raise ValueError(f'last_norm must be None, "scale" or "plain", got {last_norm!r}')
    hidden_bias, last_bias = (bias, bias) if isinstance(bias, bool) else bias
    draw = keyed.generator("head", name, seed)
    layers: list[nn.Module] = []
    for place, (fan_in, width) in enumerate(pairwise(widths), start=2):
        hidden = place < len(widths)
        linear = nn.utils.skip_init(nn.Linear, fan_in, width, bias=hidden_bias if hidden else last_bias)
        for parameter in linear.parameters():
            nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5, generator=draw)
        layers.append(linear)
        if hidden:
            layers += [BatchNorm(width), nn.ReLU(inplace=True)] if norm else [nn.ReLU(inplace=True)]
    if last_norm is not None:
        layers.append(BatchNorm(widths[-1], scale=last_norm == "scale", shift=False))
    return nn.Sequential(*layers)


def identity(width: int) -> nn.Linear:
    """A linear layer that changes nothing yet."""
    head = nn.utils.skip_init(nn.Linear, width, width)
    nn.init.eye_(head.weight)
    nn.init.zeros_(head.bias)
    return head  # type: ignore[no-any-return]
