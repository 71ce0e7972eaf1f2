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

MODALITIES: dict[str, Modality] = {"pairs": Pairs(), "texts": Texts(), "images": Images()}


def of_method(name: str) -> Modality:
    """The kind of data that a method reads."""
    return MODALITIES[methods.entry(name).kind]


def of_folder(path: str | Path) -> Modality:
    """The kind of data that the model of a run or model folder takes; pictures where there is none, whose `load` says
    what is missing."""
    if not str(path).strip():
        raise Unfit("The name of a run or model folder is empty.")
    kinds = MODALITIES.values()
    return next((kind for kind in kinds if kind.holds(Path(path))), MODALITIES["images"])


def load(path: str | Path) -> Any:
    """The model of a run folder or of a `model/` folder, on the CPU: `Model` for pictures, `PairModel` for two towers,
    `TextModel` for sentences. Unfit where there is none."""
    return of_folder(path).load(Path(path))
