"""What the formats of picture encoders share: the model as they see it, and the certificate."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from kontrast import keyed
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.exchange.card import About, Certificate, card
from kontrast.exchange.format import compared
from kontrast.preprocessing import Preprocessing

PROBES = 16  # pictures of noise for the certificate


class Seeing(Protocol):
    """A picture encoder in use, and how its pictures are made ready."""

    @property
    def encoder(self) -> ImageEncoder: ...
    @property
    def look(self) -> Preprocessing: ...


@dataclass(frozen=True)
class Pictures:
    """An encoder with what must be known of its pictures."""

    encoder: ImageEncoder
    look: Preprocessing


def no_pictures(model: Any) -> str:
    """Why this is no picture encoder; "" where it is one."""
    return "" if isinstance(model.encoder, ImageEncoder) else "it holds picture encoders alone"


@dataclass(frozen=True)
class Told:
    """What a card says of its folder: the layout's name, the hub's library, who loads it in words, code to paste; and
    the `program` that proves it."""

    layout: str
    library: str
    loaders: str
    usage: str
    program: str = ""


def certified(folder: Path, model: Seeing, about: About, again: torch.nn.Module, told: Told) -> Certificate:
    """Compare the network that was read again with the one in memory, and write the card; Failed if they differ."""
    spec, width = model.encoder.spec, model.encoder.width
    live_BH = _vectors(copy.deepcopy(model.encoder).cpu().float(), spec)
    difference, largest = compared(folder, [live_BH], [_vectors(again, spec)])

    def text(known: About) -> str:
        how = {"library": told.library, "loaders": told.loaders, "usage": told.usage}
        return card(spec, width, model.look, known, difference=difference, **how)

    certificate = Certificate(told.layout, told.loaders, difference, largest, text, told.program)
    certificate.write_card(folder, about)
    return certificate


@torch.no_grad()
def _vectors(net: torch.nn.Module, spec: dict[str, int]) -> Tensor:
    shape = (PROBES, spec["channels"], spec["image_size"], spec["image_size"])
    vectors_BH: Tensor = net.eval()(torch.randn(shape, generator=keyed.generator("certificate")))
    return vectors_BH
