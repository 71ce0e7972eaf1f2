"""Batches with more samples beside them, one view each, that are only ever negatives (`--negatives random:N`).

Shapes: N more samples of this process.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from kontrast.methods.method import Batch
from kontrast.modalities.images.batches import ImageBatches
from kontrast.negatives import random
from kontrast.positives.images import views
from kontrast.positives.images.view import Keys


class WithRandom:
    """`batches(step)` with `count` more samples in `Batch.others`, none of them in the batch; processes share them."""

    def __init__(self, batches: ImageBatches, count: int) -> None:
        self.batches, self.count, self.waited, self.messages = batches, count, 0.0, batches.messages

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step, and of the other samples."""
        began = time.perf_counter()
        of, order, batch = self.batches, self.batches.sampler, self.batches(step)
        whole_B = order.whole(step)
        more = random.drawn(order.ids, whole_B, self.count, order.seed, step)
        asked_N = more[order.share(self.count)]
        pictures = of.readable(lambda: of.source.images(order.there(asked_N), workers=of.workers))
        ids_N = order.there(asked_N)
        pictures = pictures.to(of.device) if isinstance(pictures, torch.Tensor) else [p.to(of.device) for p in pictures]
        one_view = replace(of.recipe, views=of.recipe.views[:1])
        groups_N = None if of.source.groups is None else torch.from_numpy(of.source.groups[ids_N]).to(of.device)
        others = replace(
            batch,
            views=tuple(views(pictures, one_view, Keys(order.seed, order.epoch(step), ids_N), mode=of.mode)),
            ids_B=torch.from_numpy(ids_N).to(of.device),
            groups_B=groups_N,
        )
        self.waited += time.perf_counter() - began
        return replace(batch, others=others)
