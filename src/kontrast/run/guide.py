"""Batches with what a guide model makes of their samples beside them (`--negatives guide:FOLDER`).

The guide sees every sample once, as it is, before training begins; a step only looks its rows up.

Shapes: B rows of this process, G width of the guide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from kontrast.data.sampler import batch_ids, own_rows
from kontrast.data.pixels.store import Ids
from kontrast.data.source import Source
from kontrast.methods.method import Batch
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
if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts


class Embeds(Protocol):
    """A model in use, as `kontrast.load` gives it."""

    def embed_source(self, source: Source, ids: Ids) -> Tensor: ...


class Batches(Protocol):
    """What is guided: pictures, pairs or sentences."""

    waited: float

    def __call__(self, step: int) -> Batch: ...


class Guided:
    """`batches(step)` with `given["guide"]`: (guide, source, the ids trained on) looked up in the order of the run."""

    def __init__(
        self, batches: Batches, guide: Embeds, source: Source, ids: Ids, batch_size: int, seed: int,
        *, rank: int = 0, processes: int = 1,
    ) -> None:  # fmt: skip
        self.batches, self.said, self.waited = batches, getattr(batches, "said", ""), 0.0
        self.ids, self.batch_size, self.seed = np.sort(ids), batch_size, seed
        self.rows = own_rows(batch_size, rank, processes)
        self.seen_NG = guide.embed_source(source, self.ids)

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step, each with the guide's vector of its sample.

        Batches of pairs call their rows by picture or group, so the samples are taken from the order itself.
        """
        batch = self.batches(step)
        self.waited = self.batches.waited
        ids_B = batch_ids(self.ids, step, self.batch_size, self.seed)[self.rows]
        guide_BG = self.seen_NG[torch.from_numpy(np.searchsorted(self.ids, ids_B))]
        return replace(batch, given={**batch.given, "guide": guide_BG.to(batch.ids_B.device)})


def _guided(plan: Plan, batches: Batches, source: Source, ids: Ids, batch_size: int, seed: int) -> Batches:
    """With a guide model's vectors beside them, if there is one."""
    folder = parsed(plan.settings.negatives or "").guide
    if not folder:
        return batches
    try:
        guided: Batches = Guided(batches, load(folder), source, ids, batch_size, seed, rank=gather.rank(),
                                 processes=gather.processes())  # fmt: skip
    except (ValueError, AssertionError) as problem:
        raise Unfit(f"--negatives guide:{folder} cannot judge {source.name} ({source.kind}): {problem}") from problem
    return guided
