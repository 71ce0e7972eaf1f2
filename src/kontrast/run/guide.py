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

from kontrast import progress
from kontrast.data.sampler import Sampler
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.methods.method import Batch
from kontrast.modalities.registry import load
from kontrast.negatives import parsed
from kontrast.training.loop import Batches


class Embeds(Protocol):
    """A model in use, as `kontrast.load` gives it."""

    def embed_source(self, source: Source, ids: Ids) -> Tensor: ...


class Guided:
    """`batches(step)` with `given["guide"]`: the guide's vectors of the source, looked up in the order of the run."""

    def __init__(self, batches: Batches, guide: Embeds, source: Source, sampler: Sampler) -> None:
        self.batches, self.sampler, self.waited, self.messages = batches, sampler, 0.0, batches.messages
        progress.told("embedding with the guide", 0, len(sampler.ids))
        self.seen_NG = guide.embed_source(source, sampler.ids)

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step, each with the guide's vector of its sample.

        Batches of pairs call their rows by picture or group, so the samples are taken from the order itself.
        """
        batch = self.batches(step)
        self.waited = self.batches.waited
        rows_B = np.searchsorted(self.sampler.ids, self.sampler.own(step))
        guide_BG = self.seen_NG[torch.from_numpy(rows_B)]
        return replace(batch, given={**batch.given, "guide": guide_BG.to(batch.ids_B.device)})


def guided(batches: Batches, negatives: str | None, source: Source, sampler: Sampler) -> Batches:
    """With the vectors of the guide model that `--negatives` names, if it names one."""
    folder = parsed(negatives or "").guide
    if not folder:
        return batches
    try:
        return Guided(batches, load(folder), source, sampler)
    except (ValueError, AssertionError) as problem:
        raise Unfit(f"--negatives guide:{folder} cannot judge {source.name} ({source.kind}): {problem}") from problem
