"""Batches with what a guide model makes of their samples beside them (`--negatives guide:FOLDER`).

The guide sees every sample once, as it is, before training begins; a step only looks its rows up.

Shapes: B rows of this process, G width of the guide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

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
    """`batches(step)` with `Batch.guide_BG`."""

    def __init__(self, batches: Batches, guide: Embeds, source: Source, ids: Ids) -> None:
        self.batches, self.said, self.waited = batches, getattr(batches, "said", ""), 0.0
        seen_NG = guide.embed_source(source, ids)
        self.place_of_id = torch.full((int(ids.max()) + 1,), -1)
        self.place_of_id[torch.from_numpy(ids)] = torch.arange(len(ids))
        self.seen_NG = seen_NG

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step, each with the guide's vector of its sample."""
        batch = self.batches(step)
        self.waited = self.batches.waited
        guide_BG = self.seen_NG[self.place_of_id[batch.ids_B.cpu()]]
        return replace(batch, guide_BG=guide_BG.to(batch.ids_B.device))
