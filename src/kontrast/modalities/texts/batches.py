"""Batches of sentences: `batches(step)` is a pure function of (source, seed, step), as for pictures.

Sentences alone become two views by a recipe of `positives.text`; pairs and triplets bring their own (anchor, positive,
hard negative). All views of a step are padded alike. Batches are not made of sentences of one length, which would take
length away as a clue; the encoder sorts by length within the batch (`encoders.bert`).

Shapes: B rows of this process, L tokens of the longest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from kontrast.data.scored_pairs import similar
from kontrast.data.sampler import batch_ids, own_rows, steps_per_epoch
from kontrast.data.pixels.store import Ids
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.methods.method import Batch
from kontrast.negatives.random import drawn
from kontrast.negatives.false_negatives import equal_texts
from kontrast.negatives.by_rule import hard_negatives
from kontrast.positives.texts.edits import edited
from kontrast.positives.texts.wordnet import WordNet

ROLES = {"texts": ("text",), "pairs": ("anchor", "positive"), "triplets": ("anchor", "positive", "negative"),
         "judged": ("first", "second")}  # fmt: skip
LENGTH = 32  # tokens of a sentence while training: SimCSE's
LOOKED_AT = 5000  # samples whose length is counted: tokenising a million sentences takes half a minute

Tokenize = Callable[[Sequence[str], int], dict[str, Tensor]]


class TextBatches:
    """The tokens of every step: {"input_ids", "attention_mask"} (B, L), for each view.

    source      texts, pairs of texts, triplets, or rows of two texts and whether they are similar
    ids         the samples to train on, from `source.ids`
    tokenize    (texts, tokens at most) -> padded integers: an encoder's `tokenizer`
    batch_size  rows of one step, in total over all processes
    total       steps of the whole run
    views       a recipe of `positives.text`, for sentences alone
    rules       of `positives.opposites`: hard negatives by rule, where the data bring none
    random      further sentences in each step, in one view, nobody's positives

    Sentences that are equal but for case and spaces share a name and are never each other's negatives.
    `waited` is the time spent in calls so far, in seconds. `said` tells how many texts lose their end; empty when none.
    """

    def __init__(
        self,
        source: Source,
        ids: Ids,
        tokenize: Tokenize,
        batch_size: int,
        seed: int,
        total: int,
        *,
        views: str = "dropout",
        rules: Sequence[str] = (),
        wordnet: WordNet | None = None,
        max_length: int = LENGTH,
        random: int = 0,
        device: str | torch.device = "cpu",
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if source.kind not in ROLES or (source.kind == "pairs" and "anchor" not in source.columns):
            raise Unfit(f"{source.name} holds {source.kind}; sentences, pairs or triplets of sentences were expected.")
        if source.kind == "judged" and "similar" not in source.columns:
            raise Unfit(f"{source.name}: nobody has decided yet which rows are similar (`data.judged.decided`).")
        if rules and source.kind == "triplets":
            raise Unfit(f"{source.name} brings hard negatives of its own; leave those by rule out.")
        self.source, self.ids, self.tokenize = source, np.sort(ids), tokenize
        self.batch_size, self.seed, self.total, self.max_length = batch_size, seed, total, max_length
        self.views, self.rules, self.wordnet, self.random = views, rules, wordnet, random
        self.steps_per_epoch = steps_per_epoch(len(ids), batch_size)
        self.device, self.rows = torch.device(device), own_rows(batch_size, rank, processes)
        self.rank, self.processes = rank, processes
        self.waited = 0.0
        self.said = self._cut()

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step."""
        began = time.perf_counter()
        ids_B = batch_ids(self.ids, step, self.batch_size, self.seed)[self.rows]
        epoch = step // self.steps_per_epoch
        others = None
        if self.random:
            ids_N = self._others(step)
            others = self._batch(ids_N, self.texts(ids_N, epoch)[:1], step)
        batch = replace(self._batch(ids_B, self.texts(ids_B, epoch), step), others=others)
        self.waited += time.perf_counter() - began
        return batch

    def __len__(self) -> int:
        return self.total

    def texts(self, ids_B: Ids, epoch: int) -> list[list[str]]:
        """The words of each view: what `kontrast preview` shows."""
        roles = ROLES[self.source.kind]
        views = [self.source.texts(ids_B, role, seed=self.seed, epoch=epoch) for role in roles]
        if len(views) == 1:
            how = {"seed": self.seed, "epoch": epoch}
            plain = views[0]
            views = [edited(self.views, plain, ids_B, view=v, wordnet=self.wordnet, **how) for v in (0, 1)]
        if self.rules:
            views.append(hard_negatives(views[0], ids_B, self.seed, epoch, rules=self.rules, wordnet=self.wordnet))
        return views

    def _batch(self, ids_B: Ids, texts_VB: list[list[str]], step: int) -> Batch:
        """Tokenised together, so that all views are padded alike."""
        tokens = self.tokenize([text for texts in texts_VB for text in texts], self.max_length)
        parts = {name: both.to(self.device).split(len(ids_B)) for name, both in tokens.items()}
        views = tuple({name: part[view] for name, part in parts.items()} for view in range(len(texts_VB)))
        names_B = (
            equal_texts(texts_VB[0]) if self.source.groups is None else torch.from_numpy(self.source.groups[ids_B])
        )
        return Batch(
            views,
            torch.from_numpy(ids_B).to(self.device),
            step,
            self.total,
            self.seed,
            groups_B=names_B.to(self.device),
            given=similar(self.source, ids_B, self.device),
        )

    def _cut(self) -> str:
        """How many texts are longer than what is read, from the first `LOOKED_AT` samples of each role."""
        lengths = getattr(self.tokenize, "lengths", None)
        if lengths is None:
            return ""
        some = self.ids[:LOOKED_AT]
        texts = [text for role in ROLES[self.source.kind] for text in self.source.texts(some, role)]
        longer = int((lengths(texts) > self.max_length).sum())
        among = f"{len(texts):,} texts" if len(some) == len(self.ids) else f"the first {len(texts):,} texts"
        return f"{longer:,} of {among} have more than {self.max_length} tokens and are cut there" if longer else ""

    def _others(self, step: int) -> Ids:
        """This process's share of the further sentences of a step."""
        in_batch = batch_ids(self.ids, step, self.batch_size, self.seed)
        mine = own_rows(self.random, self.rank, self.processes)
        return drawn(self.ids, in_batch, self.random, self.seed, step)[mine]
