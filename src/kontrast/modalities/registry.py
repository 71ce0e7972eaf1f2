"""The kinds of data there are, and the kind of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.modalities.images.modality import Images
from kontrast.modalities.modality import Modality
from kontrast.modalities.pairs.modality import Pairs
from kontrast.modalities.texts.modality import Texts

IMAGES = Images()
MODALITIES: dict[str, Modality] = {"images": IMAGES, "pairs": Pairs(), "texts": Texts()}


def of_method(name: str) -> Modality:
    """The kind of data that a method reads."""
    kind = methods.entry(name).kind
    if kind not in MODALITIES:
        raise Unfit(f"{name} reads {kind!r}, which is no kind of data; known: {', '.join(MODALITIES)}.")
    return MODALITIES[kind]


def of_folder(path: str | Path) -> Modality:
    """The kind of data that the model of a run or model folder takes; pictures, where no other kind knows it."""
    if not str(path).strip():
        raise Unfit("The name of a run or model folder is empty.")
    others = (kind for kind in MODALITIES.values() if kind is not IMAGES and kind.holds(Path(path)))
    return next(others, IMAGES)


def load(path: str | Path) -> Any:
    """The model of a run folder or of a `model/` folder, on the CPU: `Model` for pictures, `PairModel` for two towers,
    `TextModel` for sentences. Unfit where there is none."""
    return of_folder(path).load(Path(path))
