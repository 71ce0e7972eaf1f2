"""Batches with more samples beside them, one view each, that are only ever negatives (`--negatives random:N`).

Shapes: N more samples of this process.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from kontrast.modalities.images.batches import ImageBatches
from kontrast.data.sampler import batch_ids, own_rows
from kontrast.methods.method import Batch
from kontrast.negatives import random
from kontrast.positives.images.view import Keys
from kontrast.positives.images import views


class WithOthers:
    """`batches(step)` with `count` more samples in `Batch.others`, none of them in the batch; processes share them."""

    def __init__(self, batches: ImageBatches, count: int, *, rank: int = 0, processes: int = 1) -> None:
        self.batches, self.count, self.waited = batches, count, 0.0
        self.rows = own_rows(count, rank, processes)

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step, and of the other samples."""
        began = time.perf_counter()
        of, batch = self.batches, self.batches(step)
        epoch = step // of.steps_per_epoch
        in_batch = batch_ids(of.ids, step, of.batch_size, of.seed)
        ids_N = random.drawn(of.ids, in_batch, self.count, of.seed, step)[self.rows]
        pictures = of.source.images(ids_N, workers=of.workers)
        pictures = pictures.to(of.device) if isinstance(pictures, torch.Tensor) else [p.to(of.device) for p in pictures]
        one_view = replace(of.recipe, views=of.recipe.views[:1])
        groups_N = None if of.source.groups is None else torch.from_numpy(of.source.groups[ids_N]).to(of.device)
        others = replace(
            batch,
            views=tuple(views(pictures, one_view, Keys(of.seed, epoch, ids_N), mode=of.mode)),
            ids_B=torch.from_numpy(ids_N).to(of.device),
            groups_B=groups_N,
        )
        self.waited += time.perf_counter() - began
        return replace(batch, others=others)
