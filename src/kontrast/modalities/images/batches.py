"""Batches of pictures: `batches(step)` is a pure function of (source, recipe, seed, step).

The same views come for any number of workers and processes and after a resume: order, partners and view parameters are
keyed by (seed, epoch, sample id), never drawn in turn. What takes time is done ahead in the background where that pays:
on a CPU reading, decoding and drawing, by processes (`data.ahead`) if they are asked for; otherwise what comes before
the drawing (reading, decoding, copying to the device), by a thread.

Shapes: B rows of this process, V views.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.pixels.store import InMemory, Lost
from kontrast.data.sampler import Sampler
from kontrast.data.scored_pairs import Second, similar
from kontrast.data.source import Source
from kontrast.keyed import Ids
from kontrast.methods.method import Batch
from kontrast.modalities.images.prefetch import CAN_FORK, Ahead
from kontrast.positives.groups import Members
from kontrast.positives.images import views
from kontrast.positives.images.view import Keys, Mode, Recipe
from kontrast.preprocessing import Preprocessing

Raw: TypeAlias = "Tensor | list[Tensor]"  # uint8 or uint16 pictures
Drawn = TypeVar("Drawn")
FEW_LOST = 8  # pictures, or a tenth of them all, that a run goes on without


class ImageBatches:
    """The views of every step.

    workers     on a CPU: processes that read pictures and draw their views; on a GPU (and on a CPU that is not under
                Linux): threads that decode pictures which do not fit memory. 0: none; decoding is ahead all the same
    same        the second view (fourth, ...) is of another picture of the sample's group; needs `source.groups`

    Of scored pairs the first view is of the first picture, the second of the second (`data.scored_pairs`).

    `waited` is the time spent in calls so far, in seconds: what a step waits for its data.
    """

    def __init__(
        self,
        source: Source,
        sampler: Sampler,
        recipe: Recipe,
        *,
        mode: Mode = "fast",
        device: str | torch.device = "cpu",
        workers: int = 0,
        same: bool = False,
    ) -> None:
        self.source, self.sampler, self.recipe, self.mode = source, sampler, recipe, mode
        scored = source.kind == "scored_pairs"
        if scored:
            self.recipe = replace(recipe, views=recipe.views[:2])
        self.workers, self.device = workers, torch.device(device)
        self.waited = 0.0
        self.messages: tuple[str, ...] = ()
        self._members = Second(source) if scored else _members(source, sampler.ids) if same else None
        in_memory = isinstance(source.pictures, InMemory)
        self._processes = bool(workers) and self.device.type == "cpu" and CAN_FORK
        self._ahead: Ahead | None = None
        in_background = not self._processes and (self.device.type != "cpu" or not in_memory)
        self._background = ThreadPoolExecutor(1, "kontrast-data") if in_background else None
        self._next: tuple[int, Future[list[Raw]]] | None = None

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step."""
        began = time.perf_counter()
        groups_N = self.source.groups
        drawn = self.readable(lambda: self._by_processes(step) if self._processes else self._by_threads(step))
        ids_B = self.sampler.own(step)
        batch = Batch(
            views=drawn,
            ids_B=torch.from_numpy(ids_B).to(self.device),
            step=step,
            total=self.sampler.steps,
            seed=self.sampler.seed,
            groups_B=None if groups_N is None else torch.from_numpy(groups_N[ids_B]).to(self.device),
            given=similar(self.source, ids_B, self.device),
        )
        self.waited += time.perf_counter() - began
        return batch

    def __len__(self) -> int:
        return self.sampler.steps

    def drawn(self, ids_B: Ids, epoch: int) -> tuple[Tensor, ...]:
        """The views of these samples in an epoch, whatever batch they come in."""
        return self._views(self._pictures(ids_B, epoch), ids_B, epoch)

    def plain(self, ids_B: Ids, look: Preprocessing) -> Tensor:
        """These samples as a model in use looks at them."""
        return look(self._pictures(ids_B, 0)[0], white=self.source.white)

    def readable(self, draw: Callable[[], Drawn]) -> Drawn:
        """What is drawn, once no picture is asked for any more that cannot be read."""
        while True:
            try:
                return draw()
            except Lost as lost:
                self._lose(lost)

    def _lose(self, lost: Lost) -> None:
        """From now on their places stay empty; `Lost` where they are so many that something else is wrong."""
        known, ids, self._next = self.sampler.lost, self.sampler.ids, None
        if lost.reasons.keys() <= known.keys():  # nothing is left of a step
            raise Lost(lost.reasons, self.source.names)
        known.update(lost.reasons)
        if isinstance(self._members, Second):  # a row whose second picture is lost is lost
            second_N = self._members.partner(ids)
            rows = {int(row): known[int(place)] for row, place in zip(ids, second_N) if int(place) in lost.reasons}
            known.update(rows)
        if len(known) > max(FEW_LOST, len(ids) // 10):
            raise Lost(lost.reasons | {sample: "lost before" for sample in known}, self.source.names)

    def _partners(self, ids_B: Ids, epoch: int) -> Ids:
        """Who stands beside each sample; itself where the other is lost."""
        assert self._members is not None
        partner_B = self._members.partner(ids_B, self.sampler.seed, epoch)
        return np.where(np.isin(partner_B, list(self.sampler.lost)), ids_B, partner_B)

    def _by_threads(self, step: int) -> tuple[Tensor, ...]:
        samples = self._samples(step)
        return self._views(samples, self.sampler.own(step), self.sampler.epoch(step))

    def _by_processes(self, step: int) -> tuple[Tensor, ...]:
        """The views of a step from the processes that draw ahead; they begin with the first step that is asked for."""
        order = self.sampler
        if self._ahead is None:
            rows = order.rows.stop - order.rows.start
            shapes = [(rows, len(self.recipe.mean), view.size, view.size) for view in self.recipe.views]
            self._ahead = Ahead(lambda s: self.drawn(order.own(s), order.epoch(s)), shapes, order.steps, self.workers)
        own_B = order.own(step)
        if len(own_B) < order.rows.stop - order.rows.start:
            return self.drawn(own_B, order.epoch(step))  # the processes draw whole batches
        return tuple(self._ahead(step))

    def _views(self, pictures: list[Raw], ids_B: Ids, epoch: int) -> tuple[Tensor, ...]:
        seed = self.sampler.seed
        if self._members is None:
            return tuple(views(pictures[0], self.recipe, Keys(seed, epoch, ids_B), mode=self.mode))
        first = replace(self.recipe, views=self.recipe.views[0::2])
        second = replace(self.recipe, views=self.recipe.views[1::2])
        other_seed = int(keyed.words("partner views", seed)) >> 1  # a sample alone in its group needs other views
        partner_B = self._partners(ids_B, epoch)
        own = views(pictures[0], first, Keys(seed, epoch, ids_B), mode=self.mode)
        theirs = views(pictures[1], second, Keys(other_seed, epoch, partner_B), mode=self.mode)
        both = [view for pair in zip(own, theirs) for view in pair]
        return tuple(both + own[len(theirs) :])

    def _samples(self, step: int) -> list[Raw]:
        """The raw pictures of a step, from the background where they were read ahead."""
        if self._background is None:
            return self._read(step)
        ready = self._next[1] if self._next is not None and self._next[0] == step else None
        now = ready or self._background.submit(self._read, step)
        if step + 1 < self.sampler.steps:
            self._next = (step + 1, self._background.submit(self._read, step + 1))
        return now.result()

    def _read(self, step: int) -> list[Raw]:
        return self._pictures(self.sampler.own(step), self.sampler.epoch(step))

    def _pictures(self, ids_B: Ids, epoch: int) -> list[Raw]:
        """The samples' pictures and, where positives come from groups, those of their partners."""
        wanted = [ids_B]
        if self._members is not None:
            wanted.append(self._partners(ids_B, epoch))
        threads = 1 if self._processes else self.workers
        return [self._moved(self.source.images(ids, workers=threads)) for ids in wanted]

    def _moved(self, pictures: Raw) -> Raw:
        if self.device.type == "cpu":
            return pictures
        if isinstance(pictures, Tensor):
            return pictures.pin_memory().to(self.device, non_blocking=True)
        return [picture.to(self.device) for picture in pictures]


def _members(source: Source, ids: Ids) -> Members:
    if source.groups is None:
        raise ValueError("same: the source has no groups; open it with same='folder' or same=COLUMN.")
    return Members.of(source.groups, ids)
