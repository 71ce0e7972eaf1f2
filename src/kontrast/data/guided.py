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

from kontrast.data.order import batch_ids, own_rows
from kontrast.data.pictures import Ids
from kontrast.data.source import Source
from kontrast.methods.method import Batch


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
