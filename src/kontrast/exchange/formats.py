"""The formats there are, and which of them can say a model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.errors import Unfit
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.format import Format
from kontrast.exchange.image_folder import Pictures
from kontrast.exchange.onnx import Onnx
from kontrast.exchange.open_clip import OpenClip
from kontrast.exchange.sentence_transformers import SentenceTransformers
from kontrast.exchange.standalone import Standalone
from kontrast.exchange.standalone_pairs import StandalonePairs
from kontrast.exchange.timm import Timm
from kontrast.exchange.torchvision import Torchvision
from kontrast.exchange.transformers import Transformers
from kontrast.preprocessing import Preprocessing

FORMATS: dict[str, Format] = {  # a run's own model/ is written in the first that can say it
    "timm": Timm(),
    "standalone": Standalone(),
    "sentence-transformers": SentenceTransformers(),
    "open_clip": OpenClip(),
    "standalone-pairs": StandalonePairs(),
    "transformers": Transformers(),
    "torchvision": Torchvision(),
    "onnx": Onnx(),
}


def fitting(model: Any) -> list[str]:
    """The names of the formats that can say this model, the best known library first."""
    return [name for name, known in FORMATS.items() if not known.says_it(model)]


def checked(name: str, model: Any) -> Format:
    """The format of this name; Unfit, with what can be had instead, where there is none or it cannot say the model."""
    if name not in FORMATS:
        raise Unfit(f"--to {name!r} is no format; known: {', '.join(FORMATS)}.")
    if why := FORMATS[name].says_it(model):
        can = ", ".join(fitting(model)) or "none"
        raise Unfit(f"--to {name} cannot hold this model: {why}. What can: {can}.")
    for module, brought_by in FORMATS[name].needs.items():
        if find_spec(module) is None:
            raise Unfit(f"--to {name} is proven by {module}, which is not installed: pip install {brought_by}")
    return FORMATS[name]


def write(folder: str | Path, model: Any, about: About) -> Certificate:
    """Write the folder in the first format that can say the model, read it again and compare; Failed if it differs."""
    return FORMATS[fitting(model)[0]].write(Path(folder), model, about)


def write_encoder(folder: str | Path, encoder: ImageEncoder, look: Preprocessing, about: About) -> Certificate:
    """The same for a picture encoder alone. look: how its pictures are made ready."""
    return write(folder, Pictures(encoder, look), about)
