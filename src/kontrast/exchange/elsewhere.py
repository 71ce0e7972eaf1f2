"""Read again where there is no kontrast: in a process of its own, by the library that a folder is for, through that
library's own preprocessing. What it makes of samples is compared with what the model in memory makes of them.

A format gives a `program`: Python that is run in the folder and defines `pictures`, `sentences` or both, from a list of
Pillow pictures or of strings to an array (N, D). Everything else is the same for all of them and written here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from kontrast import keyed, progress
from kontrast.errors import Failed
from kontrast.exchange.card import Certificate
from kontrast.exchange.format import compared

COUNT = 64  # samples
PATIENCE = 600  # seconds
SIDES = (48, 64, 97, 150)  # of pictures that are made up
WORDS = (
    "the",
    "old",
    "dog",
    "cat",
    "two",
    "children",
    "play",
    "in",
    "rain",
    "red",
    "house",
    "runs",
    "no",
    "12",
    "near",
)

_FRAME = """\
import json, sys, warnings
from pathlib import Path
sys.modules["kontrast"] = None  # from here on, importing it fails
warnings.filterwarnings("ignore")
import numpy as np
from PIL import Image

{program}

given = Path(sys.argv[1])
if "pictures" in globals() and list(given.glob("*.png")):
    np.save(given / "pictures.npy", pictures([Image.open(file) for file in sorted(given.glob("*.png"))]))
if "sentences" in globals() and (given / "sentences.json").exists():
    np.save(given / "sentences.npy", sentences(json.loads((given / "sentences.json").read_text())))
"""


@dataclass(frozen=True)
class Samples:
    """What is compared: 8-bit Pillow pictures, sentences, or both; and what they are, in words."""

    called: str
    pictures: Sequence[Image.Image] = ()
    sentences: Sequence[str] = ()


def made_up(*, pictures: bool, sentences: bool, mode: str = "RGB") -> Samples:
    """Samples where there are no data: waves of several sizes in Pillow's mode, rows of words."""
    pixels = [_wave(number).convert(mode) for number in range(COUNT)] if pictures else []
    draws = keyed.below(len(WORDS), "sentences", np.arange(COUNT * 12)).reshape(COUNT, 12)
    lines = [" ".join(WORDS[place] for place in row[: 1 + n % 12]) for n, row in enumerate(draws)] if sentences else []
    kinds = [kind for kind, wanted in (("pictures", pictures), ("sentences", sentences)) if wanted]
    return Samples(f"{COUNT} {' and '.join(kinds)} that were made up", pixels, lines)


def _wave(number: int) -> Image.Image:
    """Like a photo: smooth, with a little noise, and of a shape of its own."""
    height, width = SIDES[number % 4], SIDES[number // 4 % 4]
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin((5 + number % 7) * x + 3 * y + c) + np.cos((2 + number % 5) * y * (1 + c) - x) for c in range(3)]
    noise = keyed.below(9, "wave", number, np.arange(height * width * 3)).reshape(height, width, 3)
    return Image.fromarray((np.stack(waves, -1) * 55 + 120 + noise).clip(0, 255).astype(np.uint8))


def proven(folder: Path, certificate: Certificate, samples: Samples, model: Any) -> float:
    """The largest difference between the vectors that the foreign library and the model give for the samples.

    model  in use, as `kontrast.load` gives it
    Failed where the library cannot read the folder, or where its vectors are others than the model's.
    """
    live: dict[str, Tensor] = {}
    if samples.pictures:
        live["pictures"] = torch.as_tensor(model.embed(list(samples.pictures)))
    if samples.sentences:
        live["sentences"] = torch.as_tensor(model.embed_text(list(samples.sentences)))
    if certificate.unit:
        live = {kind: normalize(vectors, dim=1) for kind, vectors in live.items()}
    found = vectors(folder, certificate.program, samples)
    if missing := live.keys() - found.keys():
        raise Failed(f"{folder} gives no vectors of {', '.join(missing)} where there is no kontrast.")
    return compared(folder, list(live.values()), [found[kind] for kind in live])[0]


def vectors(folder: Path, program: str, samples: Samples) -> dict[str, Tensor]:
    """What a program makes of the samples, run in the folder by a Python that cannot import kontrast."""
    progress.told("reading it again in a process without kontrast")
    with tempfile.TemporaryDirectory() as name:
        given = Path(name)
        for number, picture in enumerate(samples.pictures):
            picture.save(given / f"{number:04}.png")
        if samples.sentences:
            (given / "sentences.json").write_text(json.dumps(list(samples.sentences)), encoding="utf-8")
        words = [sys.executable, "-P", "-c", _FRAME.format(program=program), str(given)]
        offline = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        how: dict[str, Any] = {"capture_output": True, "text": True, "timeout": PATIENCE}
        try:
            ran = subprocess.run(words, cwd=folder, env=offline, check=False, **how)
        except subprocess.TimeoutExpired:
            raise Failed(f"{folder} was written but not read within {PATIENCE} s where there is no kontrast.") from None
        if ran.returncode:
            told = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise Failed(f"{folder} was written but cannot be read where there is no kontrast: {told[:300]}")
        kinds = ("pictures", "sentences")
        return {kind: _read(given / f"{kind}.npy") for kind in kinds if (given / f"{kind}.npy").exists()}


def _read(file: Path) -> Tensor:
    return torch.from_numpy(np.asarray(np.load(file), np.float32))
