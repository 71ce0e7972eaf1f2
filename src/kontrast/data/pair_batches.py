"""Batches of pictures and captions: `batches(step)` is a pure function of (source, recipe, seed, step).

Order, view parameters and the choice among several captions are keyed by (seed, epoch, sample id), never drawn in turn.
Captions are turned into ids once, before the first step.

    batch.ids_B      names the picture: the first sample with the same encoded bytes, or the sample's group
    batch.groups_B   names the caption: equal ids of tokens, equal name

so that a caption or a picture that comes twice in a batch is masked by the loss instead of pushed apart.

Shapes: B rows of this process, T tokens of the longest caption in the batch, N samples, K captions of all samples.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.batches import ImageBatches
from kontrast.data.pictures import Ids
from kontrast.data.source import Source
from kontrast.methods.method import Batch


class Words(Protocol):
    """A tokenizer: captions to int64 ids, padded at the end, the end of text kept when a caption is cut."""

    @property
    def pad_id(self) -> int: ...
    def __call__(self, texts: Sequence[str], *, full: bool = False) -> Tensor: ...
    def said(self, texts: Sequence[str]) -> str: ...


class PairBatches:
    """The pictures of `images`, each with the ids of one of its captions.

    images  batches of pictures; of several views the first is used
    words   the tokenizer
    cut     drop the columns that are padding in the whole batch; only where the text tower allows it (`cuttable`)

    `said` tells how many captions are cut for their length and how many come more than once; empty when none does.
    `waited` counts the seconds spent in calls so far.
    """

    def __init__(self, images: ImageBatches, words: Words, *, cut: bool = True) -> None:
        self.images = images
        source, ids = images.source, images.ids
        captions = source.captions(ids)
        flat = [caption for several in captions for caption in several]
        self._ids_KT = words(flat, full=not cut)
        _, self._name_K, many = torch.unique(self._ids_KT, dim=0, return_inverse=True, return_counts=True)
        self.said = "; ".join(filter(None, (words.said(flat), repeated(int(many[many > 1].sum()), len(flat)))))
        place_T = torch.arange(1, self._ids_KT.shape[1] + 1)
        length_K = ((self._ids_KT != words.pad_id) * place_T).amax(dim=1)
        self._length_K = length_K if cut else torch.full_like(length_K, self._ids_KT.shape[1])
        count = np.array([len(several) for several in captions])
        self._count_N, self._first_N = np.zeros(len(source), np.int64), np.zeros(len(source), np.int64)
        self._count_N[ids], self._first_N[ids] = count, np.cumsum(count) - count
        self._picture_N = picture_names(source)
        self.waited = 0.0

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step: views (pictures, {"input_ids": (B, T)})."""
        began = time.perf_counter()
        batch = self.images(step)
        device = batch.ids_B.device
        ids_B = batch.ids_B.cpu().numpy()
        chosen_B = torch.from_numpy(self.chosen(ids_B, step // self.images.steps_per_epoch))
        ids_BT = self._ids_KT[chosen_B, : int(self._length_K[chosen_B].max())]
        batch = replace(
            batch,
            views=(batch.views[0], {"input_ids": ids_BT.to(device)}),
            ids_B=torch.from_numpy(self._picture_N[ids_B]).to(device),
            groups_B=self._name_K[chosen_B].to(device),
        )
        self.waited += time.perf_counter() - began
        return batch

    def __len__(self) -> int:
        return len(self.images)

    def chosen(self, ids_B: Ids, epoch: int) -> Ids:
        """The row of each sample's caption in this epoch, among all captions: the choice of `Source.texts`."""
        share_B = keyed.uniform("caption", self.images.seed, epoch, ids_B)
        drawn_B: Ids = self._first_N[ids_B] + np.floor(share_B * self._count_N[ids_B]).astype(np.int64)
        return drawn_B


def repeated(count: int, among: int) -> str:
    """How many captions another sample has as well."""
    return f"{count:,} of {among:,} captions come more than once: equal ones are not pushed apart" if count else ""


def picture_names(source: Source) -> Ids:
    """A name by id: that of the sample's group, if the source has groups; else equal bytes, equal name."""
    if source.groups is not None:
        return source.groups
    name_N = np.arange(len(source))
    first: dict[bytes, int] = {}
    for sample, digest in source.digests.items():
        name_N[sample] = first.setdefault(digest, sample)
    return name_N
