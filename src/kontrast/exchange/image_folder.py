"""What the formats of picture encoders share: the model as they see it, and the certificate."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from kontrast import keyed
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.exchange.card import About, Certificate, card
from kontrast.exchange.format import compared

PROBES = 16  # pictures of noise for the certificate


class Seeing(Protocol):
    """A picture encoder in use: mean and std of pixels from 0 to 1, and the white of the 16-bit ones it knows."""

    @property
    def encoder(self) -> ImageEncoder: ...
    @property
    def mean(self) -> Sequence[float]: ...
    @property
    def std(self) -> Sequence[float]: ...
    @property
    def white(self) -> int | None: ...


@dataclass(frozen=True)
class Pictures:
    """An encoder with what must be known of its pictures."""

    encoder: ImageEncoder
    mean: Sequence[float]
    std: Sequence[float]
    white: int | None = None


def no_pictures(model: Any) -> str:
    """Why this is no picture encoder; "" where it is one."""
    return "" if isinstance(model.encoder, ImageEncoder) else "it holds picture encoders alone"


@dataclass(frozen=True)
class Told:
    """What a card says of its folder: the layout's name, the hub's library, who loads it in words, code to paste."""

    layout: str
    library: str
    loaders: str
    usage: str


def certified(folder: Path, model: Seeing, about: About, again: torch.nn.Module, told: Told) -> Certificate:
    """Compare the network that was read again with the one in memory, and write the card; Failed if they differ."""
    spec, width = model.encoder.spec, model.encoder.width
    live_BH = _vectors(copy.deepcopy(model.encoder).cpu().float(), spec)
    difference, largest = compared(folder, [live_BH], [_vectors(again, spec)])

    def text(known: About) -> str:
        seen = replace(known, mean=tuple(model.mean), std=tuple(model.std), white=model.white)
        return card(
            spec, width, seen, library=told.library, loaders=told.loaders, usage=told.usage, difference=difference
        )

    certificate = Certificate(told.layout, told.loaders, difference, largest, text)
    certificate.write_card(folder, about)
    return certificate


@torch.no_grad()
def _vectors(net: torch.nn.Module, spec: dict[str, int]) -> Tensor:
    shape = (PROBES, spec["channels"], spec["image_size"], spec["image_size"])
    vectors_BH: Tensor = net.eval()(torch.randn(shape, generator=keyed.generator("certificate")))
    return vectors_BH
