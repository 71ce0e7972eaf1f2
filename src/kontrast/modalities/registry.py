"""DOC kontrast.modalities.registry."""

from __future__ import annotations
import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from kontrast.data.pixels.decode import to_channels
from kontrast.data.open import Source, open_source
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.by_name import image_encoder
from kontrast.encoders.images.folders import stored
from kontrast.exchange import open_clip
from kontrast.positives.images.view import Pictures
from kontrast.positives.images import prepare
from kontrast.modalities.images.model import Model
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from kontrast.run import chunking
from kontrast.modalities.images import report
from kontrast.modalities.pairs import report
from kontrast.modalities.texts import report
from kontrast import methods
from kontrast.modalities.images.batches import ImageBatches
from kontrast.run.guide import Guided
from kontrast.data.scored_pairs import similar_ids
from kontrast.modalities.images.random_negatives import WithOthers
from kontrast.modalities.pairs.batches import PairBatches
from kontrast.data.pixels.store import Ids
from kontrast.data.source import CALLED, Source
from kontrast.modalities.texts.batches import ROLES, TextBatches
from kontrast.encoders.images.by_name import image_encoder
from kontrast.encoders.text.open import text_encoder
from kontrast.errors import Unfit
from kontrast.evaluate import labelled
from kontrast.modalities.texts import evaluation
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.distributed import gather
from kontrast.negatives import parsed
from kontrast.modalities.pairs.model import PairModel, started
from kontrast.positives.images.view import Mode, Recipe
from kontrast.negatives.by_rule import RULES
from kontrast.positives.texts.wordnet import WordNet
from kontrast.recipes.resolve import Plan
from kontrast.modalities.texts.model import TextModel
from kontrast.training.loop import Batches
from kontrast.training.run_folder import Folder
if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
from kontrast.modalities.modality import Kit
from kontrast.modalities.images.modality import _images
from kontrast.modalities.pairs.modality import _pairs
from kontrast.modalities.texts.modality import _texts


def load(path: str | Path) -> Any:
    """The `Model` of a run folder or of a `model/` folder, on the CPU; a `PairModel` where it has two towers, a
    `TextModel` where it reads sentences."""
    folder = Path(path) / "model" if (Path(path) / "model").is_dir() else Path(path)
    if open_clip.holds(Path(path)):
        from kontrast.modalities.pairs.model import load_pairs

        return load_pairs(path)
    if (folder / "modules.json").is_file():
        from kontrast.modalities.texts.model import load_text

        return load_text(path)
    found = stored(path)
    return Model(found.encoder().eval(), found.spec["image_size"], found.mean, found.std, found.white)


def kit_of(plan: Plan, parts: Parts, weights_from: str | Path | None) -> Kit:
    """The kit for what the method reads."""
    kind = methods.entry(plan.settings.method or "").kind
    if kind != "images" and plan.settings.norm in ("group", "frozen"):
        raise Unfit(f"--norm {plan.settings.norm} is for picture encoders alone; {plan.settings.method} has no other.")
    return {"images": _images, "pairs": _pairs, "texts": _texts}[kind](plan, parts, weights_from)
