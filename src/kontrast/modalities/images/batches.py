"""Batches of pictures: `batches(step)` is a pure function of (source, recipe, seed, step).

The same views come for any number of workers and processes and after a resume: order, partners and view parameters are
keyed by (seed, epoch, sample id), never drawn in turn. What takes time is done ahead in the background where that pays:
on a CPU reading, decoding and drawing, by processes (`data.ahead`) if they are asked for; otherwise what comes before
the drawing (reading, decoding, copying to the device), by a thread.

Shapes: B rows of this process, V views.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.modalities.images.prefetch import CAN_FORK, Ahead
from kontrast.data.scored_pairs import Second, similar
from kontrast.data.sampler import batch_ids, own_rows, steps_per_epoch
from kontrast.data.pixels.store import Ids, InMemory
from kontrast.data.source import Source
from kontrast.methods.method import Batch
from kontrast.positives.images.view import Keys, Mode, Recipe
from kontrast.positives.images import views
from kontrast.positives.groups import Members

Raw: TypeAlias = "Tensor | list[Tensor]"  # uint8 or uint16 pictures


class ImageBatches:
    """The views of every step.

    ids         the samples to train on, from `source.ids`
    batch_size  rows of one step, in total over all processes
    total       steps of the whole run
    workers     on a CPU: processes that read pictures and draw their views; on a GPU (and on a CPU that is not under
                Linux): threads that decode pictures which do not fit memory. 0: none; decoding is ahead all the same
    same        the second view (fourth, ...) is of another picture of the sample's group; needs `source.groups`

    Of judged rows the first view is of the first picture, the second of the second (`data.judged`).

    `waited` is the time spent in calls so far, in seconds: what a step waits for its data.
    """

    def __init__(
        self,
        source: Source,
        ids: Ids,
        recipe: Recipe,
        batch_size: int,
        seed: int,
        total: int,
        *,
        mode: Mode = "fast",
        device: str | torch.device = "cpu",
        rank: int = 0,
        processes: int = 1,
        workers: int = 0,
        same: bool = False,
    ) -> None:
        self.source, self.ids, self.recipe, self.mode = source, np.sort(ids), recipe, mode
        if source.kind == "judged":
            self.recipe = replace(recipe, views=recipe.views[:2])
        self.batch_size, self.seed, self.total, self.workers = batch_size, seed, total, workers
        self.steps_per_epoch = steps_per_epoch(len(ids), batch_size)
        self.device = torch.device(device)
        self.rows = own_rows(batch_size, rank, processes)
        self.waited = 0.0
        self._members = Second(source) if source.kind == "judged" else _members(source, self.ids) if same else None
        in_memory = isinstance(source.pictures, InMemory)
        self._processes = bool(workers) and self.device.type == "cpu" and CAN_FORK
        self._ahead: Ahead | None = None
        in_background = not self._processes and (self.device.type != "cpu" or not in_memory)
        self._background = ThreadPoolExecutor(1, "kontrast-data") if in_background else None
        self._next: tuple[int, Future[list[Raw]]] | None = None

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step."""
        began = time.perf_counter()
        ids_B = self._ids(step)
        groups_N = self.source.groups
        if self._processes:
            drawn = self._by_processes(step)
        else:
            drawn = self._views(self._samples(step), ids_B, step // self.steps_per_epoch)
        batch = Batch(
            views=drawn,
            ids_B=torch.from_numpy(ids_B).to(self.device),
            step=step,
            total=self.total,
            seed=self.seed,
            groups_B=None if groups_N is None else torch.from_numpy(groups_N[ids_B]).to(self.device),
            given=similar(self.source, ids_B, self.device),
        )
        self.waited += time.perf_counter() - began
        return batch

    def __len__(self) -> int:
        return self.total

    def drawn(self, ids_B: Ids, epoch: int) -> tuple[Tensor, ...]:
        """The views of these samples in an epoch, whatever batch they come in."""
        return self._views(self._pictures(ids_B, epoch), ids_B, epoch)

    def _by_processes(self, step: int) -> tuple[Tensor, ...]:
        """The views of a step from the processes that draw ahead; they begin with the first step that is asked for."""
        if self._ahead is None:
            rows = self.rows.stop - self.rows.start
            shapes = [(rows, len(self.recipe.mean), view.size, view.size) for view in self.recipe.views]
            self._ahead = Ahead(
                lambda s: self.drawn(self._ids(s), s // self.steps_per_epoch), shapes, self.total, self.workers
            )
        return tuple(self._ahead(step))

    def _views(self, pictures: list[Raw], ids_B: Ids, epoch: int) -> tuple[Tensor, ...]:
        if self._members is None:
            return tuple(views(pictures[0], self.recipe, Keys(self.seed, epoch, ids_B), mode=self.mode))
        first = replace(self.recipe, views=self.recipe.views[0::2])
        second = replace(self.recipe, views=self.recipe.views[1::2])
        other_seed = int(keyed.words("partner views", self.seed)) >> 1  # a sample alone in its group needs other views
        partner_B = self._members.partner(ids_B, self.seed, epoch)
        own = views(pictures[0], first, Keys(self.seed, epoch, ids_B), mode=self.mode)
        theirs = views(pictures[1], second, Keys(other_seed, epoch, partner_B), mode=self.mode)
        both = [view for pair in zip(own, theirs) for view in pair]
        return tuple(both + own[len(theirs) :])

    def _ids(self, step: int) -> Ids:
        return batch_ids(self.ids, step, self.batch_size, self.seed)[self.rows]

    def _samples(self, step: int) -> list[Raw]:
        """The raw pictures of a step, from the background where they were read ahead."""
        if self._background is None:
            return self._read(step)
        ready = self._next[1] if self._next is not None and self._next[0] == step else None
        now = ready or self._background.submit(self._read, step)
        if step + 1 < self.total:
            self._next = (step + 1, self._background.submit(self._read, step + 1))
        return now.result()

    def _read(self, step: int) -> list[Raw]:
        return self._pictures(self._ids(step), step // self.steps_per_epoch)

    def _pictures(self, ids_B: Ids, epoch: int) -> list[Raw]:
        """The samples' pictures and, where positives come from groups, those of their partners."""
        wanted = [ids_B]
        if self._members is not None:
            wanted.append(self._members.partner(ids_B, self.seed, epoch))
        threads = 1 if self._processes else self.workers
        return [self._moved(self.source.images(ids, workers=threads)) for ids in wanted]

    def _moved(self, pictures: Raw) -> Raw:
        if self.device.type == "cpu":
            return pictures
        if isinstance(pictures, Tensor):
            return pictures.pin_memory().to(self.device, non_blocking=True)
        return [picture.to(self.device) for picture in pictures]


def advice(share_waited: float, source: Source, workers: int, cores: int) -> str:
    """What to do about waiting for data, in a sentence; empty when less than a tenth of the time goes there."""
    if share_waited < 0.1:
        return ""
    waits = f"{share_waited:.0%} of the time goes into reading data and drawing views"
    if isinstance(source.pictures, InMemory):
        return f"{waits}; the pictures are in memory, so drawing is slow (exact more than fast): a GPU helps."
    if workers < cores:
        return f"{waits}; decoding is the slow part: try --workers {cores}."
    return f"{waits}; decoding is the slow part and all {cores} cores work on it: store the pictures smaller."


def _members(source: Source, ids: Ids) -> Members:
    if source.groups is None:
        raise ValueError("same: the source has no groups; open it with same='folder' or same=COLUMN.")
    return Members.of(source.groups, ids)
