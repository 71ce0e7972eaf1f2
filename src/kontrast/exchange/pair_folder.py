"""What the formats of two towers share: the towers with all that is needed to use them, and the certificate."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kontrast import files, keyed
from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.bpe import Captions
from kontrast.encoders.clip.towers import Towers
from kontrast.exchange.card import About, Certificate, pair_card
from kontrast.exchange.format import compared
from kontrast.preprocessing import Preprocessing

WORDS = ["one picture", "another one"]  # for the certificate, beside pictures of noise
PROBES = 4


@dataclass(frozen=True)
class Pairs:
    """Towers with everything that is needed to use them."""

    towers: Towers
    captions: Captions
    look: Preprocessing

    @property
    def image_size(self) -> int:
        """Side in pixels of the pictures that the image tower takes."""
        return self.look.size


def no_towers(model: Any) -> str:
    """Why these are not two towers; "" where they are."""
    return "" if isinstance(model.encoder, Towers) else "it holds two towers alone, for pictures and words"


def start_folder(folder: Path, pairs: Pairs, config: str) -> None:
    """Make the folder, with the tokenizer and what open_clip calls the configuration of model and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    look = pairs.look
    told: dict[str, Any] = {"mean": list(look.mean), "std": list(look.std), "interpolation": look.interpolation}
    told |= {"resize_mode": look.resize_mode} | ({"fill_color": round(255 * look.fill[0])} if look.fill else {})
    content = {"model_cfg": pairs.towers.spec, "preprocess_cfg": told}
    bpe.write(pairs.captions, folder)
    files.write(folder / config, json.dumps(content, indent=2) + "\n")


@torch.no_grad()
def certified(
    folder: Path,
    pairs: Pairs,
    about: About,
    again: Callable[[Tensor], tuple[Tensor, Tensor]],
    told: tuple[str, str, str],
) -> Certificate:
    """Compare what was read again with the towers in memory, on noise and two captions, and write the card.

    again: pixels -> the vectors of the pictures and of `WORDS`;  told: the layout's name, who loads it in words,
           and the program that proves it
    """
    towers, size = copy.deepcopy(pairs.towers).cpu().float().eval(), pairs.image_size
    pixels = torch.randn((PROBES, 3, size, size), generator=keyed.generator("certificate"))
    live = towers(pixels), towers.encode_text(pairs.captions(WORDS, full=not towers.text.cuttable))
    difference, largest = compared(folder, live, again(pixels))
    layout, loaders, program = told

    def text(known: About) -> str:
        return pair_card(towers.width, size, known, loaders=loaders, difference=difference)

    certificate = Certificate(layout, loaders, difference, largest, text, program)
    certificate.write_card(folder, about)
    return certificate
