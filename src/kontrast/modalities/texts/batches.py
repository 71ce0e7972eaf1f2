"""Batches of sentences: `batches(step)` is a pure function of (source, seed, step), as for pictures.

Sentences alone become two views by a recipe of `positives.texts`; pairs and triplets bring their own (anchor, positive,
hard negative). All views of a step are padded alike. Batches are not made of sentences of one length, which would take
length away as a clue; the encoder sorts by length within the batch (`encoders.bert`).

Shapes: B rows of this process, L tokens of the longest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kontrast.data.sampler import Sampler
from kontrast.data.scored_pairs import similar
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.methods.method import Batch
from kontrast.negatives.by_rule import hard_negatives
from kontrast.negatives.false_negatives import equal_texts
from kontrast.negatives.random import drawn
from kontrast.positives.texts.edits import edited
from kontrast.positives.texts.wordnet import WordNet

ROLES = {
    "texts": ("text",),
    "pairs": ("anchor", "positive"),
    "triplets": ("anchor", "positive", "negative"),
    "scored_pairs": ("first", "second"),
}
LENGTH = 32  # tokens of a sentence while training: SimCSE's
LOOKED_AT = 5000  # samples whose length is counted: tokenising a million sentences takes half a minute

Tokenize = Callable[[Sequence[str], int], dict[str, Tensor]]


@dataclass(frozen=True)
class TextViews:
    """What stands beside each sentence.

    recipe  of `positives.texts`: how a sentence alone becomes two;  wordnet  where its synonyms are from
    rules   of `negatives.by_rule`: hard negatives by rule, where the data bring none
    random  further sentences in each step, in one view, nobody's positives
    """

    recipe: str = "dropout"
    wordnet: WordNet | None = None
    rules: tuple[str, ...] = ()
    random: int = 0


class TextBatches:
    """The tokens of every step: {"input_ids", "attention_mask"} (B, L), for each view.

    source      texts, pairs of texts, triplets, or scored pairs of two texts
    tokenize    (texts, tokens at most) -> padded integers: an encoder's `tokenizer`

    Sentences that are equal but for case and spaces share a name and are never each other's negatives.
    `waited` is the time spent in calls so far, in seconds. `messages` tell how many texts lose their end.
    """

    def __init__(
        self,
        source: Source,
        sampler: Sampler,
        tokenize: Tokenize,
        views: TextViews | None = None,
        *,
        max_length: int = LENGTH,
        device: str | torch.device = "cpu",
    ) -> None:
        views = views or TextViews()
        if source.kind not in ROLES or (source.kind == "pairs" and "anchor" not in source.columns):
            raise Unfit(f"{source.name} holds {source.kind}; sentences, pairs or triplets of sentences were expected.")
        if source.kind == "scored_pairs" and "similar" not in source.columns:
            raise Unfit(f"{source.name}: nobody has decided yet which rows are similar (`data.scored_pairs.decided`).")
        if views.rules and source.kind == "triplets":
            raise Unfit(f"{source.name} brings hard negatives of its own; leave those by rule out.")
        self.source, self.sampler, self.tokenize, self.views = source, sampler, tokenize, views
        self.max_length, self.device, self.waited = max_length, torch.device(device), 0.0
        self.messages = self._cut()

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step."""
        began = time.perf_counter()
        ids_B, epoch = self.sampler.own(step), self.sampler.epoch(step)
        others = None
        if self.views.random:
            ids_N = self._others(step)
            others = self._batch(ids_N, self.texts(ids_N, epoch)[:1], step)
        batch = replace(self._batch(ids_B, self.texts(ids_B, epoch), step), others=others)
        self.waited += time.perf_counter() - began
        return batch

    def __len__(self) -> int:
        return self.sampler.steps

    def texts(self, ids_B: Ids, epoch: int) -> list[list[str]]:
        """The words of each view: what `kontrast preview` shows."""
        how = {"seed": self.sampler.seed, "epoch": epoch}
        views = [self.source.texts(ids_B, role, **how) for role in ROLES[self.source.kind]]
        wordnet, rules = self.views.wordnet, self.views.rules
        if len(views) == 1:
            plain = views[0]
            views = [edited(self.views.recipe, plain, ids_B, view=v, wordnet=wordnet, **how) for v in (0, 1)]
        if rules:
            views.append(hard_negatives(views[0], ids_B, how["seed"], epoch, rules=rules, wordnet=wordnet))
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
            self.sampler.steps,
            self.sampler.seed,
            groups_B=names_B.to(self.device),
            given=similar(self.source, ids_B, self.device),
        )

    def _cut(self) -> tuple[str, ...]:
        """How many texts are longer than what is read, from the first `LOOKED_AT` samples of each role."""
        lengths = getattr(self.tokenize, "lengths", None)
        if lengths is None:
            return ()
        some = self.sampler.ids[:LOOKED_AT]
        texts = [text for role in ROLES[self.source.kind] for text in self.source.texts(some, role)]
        longer = int((lengths(texts) > self.max_length).sum())
        among = f"{len(texts):,} texts" if len(some) == len(self.sampler.ids) else f"the first {len(texts):,} texts"
        return (f"{longer:,} of {among} have more than {self.max_length} tokens and are cut there",) if longer else ()

    def _others(self, step: int) -> Ids:
        """This process's share of the further sentences of a step."""
        order, count = self.sampler, self.views.random
        return drawn(order.ids, order.whole(step), count, order.seed, step)[order.share(count)]
