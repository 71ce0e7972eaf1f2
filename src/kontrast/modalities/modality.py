"""What differs between kinds of data, gathered once: pictures, pictures with captions, sentences.

A kit has the encoder, makes batches of any source of its kind, knows the trained encoder in use, and writes what a run
leaves. `run.train` needs no other word about what its data are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

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
from kontrast.modalities.images.modality import _pictures
from kontrast.modalities.texts.modality import EXAMPLES, SEARCHED
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from safetensors.torch import save_file
from kontrast.modalities.pairs import report
from kontrast.modalities.texts import report
from kontrast.modalities.images.batches import ImageBatches
from kontrast.data.scored_pairs import each_once, similar_ids
from kontrast.data.source import CALLED
from kontrast.data.open import Source, open_source
from kontrast.errors import Unfit
from kontrast.evaluate import labelled as rooms
from kontrast.evaluate import formatting
from kontrast.exchange import image_folder as model_folder
from kontrast.exchange import open_clip
from kontrast.exchange.card import About
from kontrast.report import page
from kontrast.report.image_neighbours import gallery
from kontrast.report.contact_sheet import views_sheet
from kontrast.methods.method import Batch
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.positives.images import papers
from kontrast.positives.images.view import Keys, Recipe
if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
    from kontrast.recipes.resolve import Plan
    from kontrast.training.run_folder import Folder
from dataclasses import dataclass, replace
from typing import Any
import numpy as np
import torch
from kontrast import methods
from kontrast.data import scored_pairs
from kontrast.data.check import check
from kontrast.data.pixels.store import Ids
from kontrast.modalities.texts.batches import ROLES
from kontrast.positives.images.view import Recipe
from kontrast.recipes.resolve import Plan, planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings
from kontrast.distributed import processes

if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts

Leave = Callable[[Folder, Any, Any, dict[str, Any], Callable[[str], None]], None]


EXAMPLES, SEARCHED = 6, 2_000  # positives shown, and training sentences searched, in a report on sentences
Score = Callable[[Any, Source, Ids], tuple[str, float]]


class MakeBatches(Protocol):
    """Batches of these samples; with the random negatives that were asked for, if `training`."""

    def __call__(
        self, source: Source, ids: Ids, batch_size: int, seed: int, steps: int, *, training: bool
    ) -> Batches: ...


@dataclass(frozen=True)
class Kit:
    """The encoder, its batches, and what comes of it.

    model    the trained encoder -> the model in use
    learned  the encoder begins with weights that know something: they are a column of the evaluation
    score    (model, source, ids) -> (name, number): how good it is on held-out data; higher is better
    masks    dropout masks make the second view: checks keep them on, or there would be nothing to find
    leave    (folder, model, model with the first weights or None, summary, say): write what a run leaves
    """

    encoder: Any
    batches: MakeBatches
    model: Callable[[Any], Any]
    leave: Leave
    score: Score
    learned: bool
    masks: bool = False
















def _rules(plan: Plan) -> tuple[str, ...]:
    """The rules for hard negatives that were asked for."""
    said = parsed(plan.settings.negatives or "").rules
    return RULES if said == "all" else tuple(said.split(",")) if said else ()


SHOWN = ("encoder", "image_size", "views", "epochs", "batch_size", "temperature", "lr", "seed", "precision")


@dataclass
class Parts:
    """What a plan is about to run on."""

    source: Source
    train_ids: Ids
    check: Source | None  # where the checks are made, on
    check_ids: Ids
    recipe: Recipe | None  # of views of pictures
    device: torch.device
