"""Batches of pictures and captions: `batches(step)` is a pure function of (source, recipe, seed, step).

Order, view parameters and the choice among several captions are keyed by (seed, epoch, sample id), never drawn in turn.
Captions are turned into ids once, before the first step; a locked tower reads them once then, too (`read`), and a
locked picture tower its pictures (`read_pictures`), in one or several looks.

    batch.ids_B      names the picture: the first sample with the same encoded bytes, or the sample's group
    batch.groups_B   names the caption: equal ids of tokens, equal name

so that a caption or a picture that comes twice in a batch is masked by the loss instead of pushed apart. With rules,
`batch.others` holds the captions changed by rule (`positives.opposites`), under the name of the caption they became, if
any sample has that one; a caption that no rule changes, or that would become another of its own picture's, has none.

Shapes: B rows of this process, T tokens of the longest caption in the batch, N samples, K captions of all samples, M
captions changed by rule, W features of a tower before its projection, V looks at a picture, R rows read at once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kontrast import keyed, progress
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.methods.method import Batch
from kontrast.modalities.images.batches import ImageBatches
from kontrast.modalities.pairs import kept
from kontrast.negatives.by_rule import altered
from kontrast.preprocessing import Preprocessing

LOOKED_AT = 5000  # captions that the rules are tried on before training, to say what they change
READ_AT_ONCE = 64  # captions of about one length
PICTURES_AT_ONCE = 32
NOBODY = -1  # the name of a caption that no sample has


class Words(Protocol):
    """A tokenizer: captions to int64 ids, padded at the end, the end of text kept when a caption is cut."""

    @property
    def pad_id(self) -> int: ...
    def __call__(self, texts: Sequence[str], *, full: bool = False) -> Tensor: ...
    def truncated(self, texts: Sequence[str]) -> str: ...


class Tower(Protocol):
    """A locked tower: the network that stands still, and what it makes of pixels or ids before its projection."""

    @property
    def before(self) -> nn.Module: ...
    def read(self, item: Tensor, /) -> Tensor: ...


class PairBatches:
    """The pictures of `images`, each with the ids of one of its captions.

    images  batches of pictures; of several views the first is used
    words   the tokenizer
    cut     drop the columns that are padding in the whole batch; only where the text tower allows it (`cuttable`)
    rules   of `positives.opposites`: what is made of captions to be a hard negative of their pictures

    `messages` tell how many captions are cut for their length, come more than once, or are changed by the rules.
    `waited` counts the seconds spent in calls so far.
    """

    def __init__(self, images: ImageBatches, words: Words, *, cut: bool = True, rules: Sequence[str] = ()) -> None:
        self.images, self.words, self.cut, self.rules = images, words, cut, rules
        source, ids = images.source, images.sampler.ids
        captions = source.captions(ids)
        flat = [caption for several in captions for caption in several]
        self._ids_KT = words(flat, full=not cut)
        _, self._name_K, many = torch.unique(self._ids_KT, dim=0, return_inverse=True, return_counts=True)
        told = (words.truncated(flat), repeated(int(many[many > 1].sum()), len(flat)))
        self.messages = tuple(line for line in told if line)
        length_K = _lengths(self._ids_KT, words.pad_id)
        self._length_K = length_K if cut else torch.full_like(length_K, self._ids_KT.shape[1])
        count = np.array([len(several) for several in captions])
        self._count_N, self._first_N = np.zeros(len(source), np.int64), np.zeros(len(source), np.int64)
        self._count_N[ids], self._first_N[ids] = count, np.cumsum(count) - count
        self._picture_N = picture_names(source)
        self._read_KW: Tensor | None = None
        self._seen_RW: Tensor | None = None
        self._looks = 1
        self.waited = 0.0
        if rules:
            self._texts_K = flat
            self._known = dict(zip(_bare(self._ids_KT, words.pad_id), self._name_K.tolist()))
            self.messages = (*self.messages, self._changed())

    def __call__(self, step: int) -> Batch:
        """This process's rows of a step: views (pictures, {"input_ids": (B, T)}, once read with "read": (B, W)). Once
        read, pictures are features (B, W), too."""
        began = time.perf_counter()
        batch = self.images(step) if self._seen_RW is None else self._seen(step)
        device = batch.ids_B.device
        ids_B = batch.ids_B.cpu().numpy()
        chosen_B = torch.from_numpy(self.chosen(ids_B, self.images.sampler.epoch(step)))
        words = {"input_ids": self._ids_KT[chosen_B, : int(self._length_K[chosen_B].max())]}
        if self._read_KW is not None:
            words["read"] = self._read_KW[chosen_B].float()
        batch = replace(
            batch,
            views=(batch.views[0], {name: tensor.to(device) for name, tensor in words.items()}),
            ids_B=torch.from_numpy(self._picture_N[ids_B]).to(device),
            groups_B=self._name_K[chosen_B].to(device),
        )
        if self.rules:
            batch = replace(batch, others=self._others(batch, ids_B, chosen_B.numpy(), step))
        self.waited += time.perf_counter() - began
        return batch

    def read(self, tower: Tower, device: torch.device) -> None:
        """Let a tower that stands still read each caption once, now, instead of in every step.

        Captions of one length go together, always the same ones, so a resumed run has the same bits. Not done where the
        run would read fewer captions than there are, or where their features would take too much (`kept`).
        """
        count = len(self._ids_KT)
        if count > self.images.sampler.steps * self.images.sampler.batch_size:
            return
        said = f"the locked text tower read each of {count:,} captions once"
        key = kept.key_of(tower.before, "captions", vars(tower).get("pooler_type"), _digest(self._ids_KT))
        self._read_KW = self._told(kept.kept(key, count, self._read_captions(tower, device)), said)

    @torch.no_grad()
    def _read_captions(self, tower: Tower, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        parts = torch.argsort(self._length_K, stable=True).split(READ_AT_ONCE)
        passing = progress.passing(parts, "reading captions", each=READ_AT_ONCE, total=len(self._ids_KT))
        for rows in passing:
            read_RW = tower.read(self._ids_KT[rows, : int(self._length_K[rows].max())].to(device))
            yield rows, read_RW.float().cpu()

    def read_pictures(self, tower: Tower, look: Preprocessing, looks: int = 1) -> None:
        """The same for pictures: each is read as `look` makes it ready, and `looks` - 1 times as the recipe draws it.

        The views are those of the first epochs; a step takes one of the looks, keyed by epoch and sample. What is read
        does not depend on the run's batches. Pictures that cannot be read are in no batch, and nothing is kept of them.
        """
        images = self.images
        sampler, source = images.sampler, images.source
        count = len(sampler.ids) * looks
        drawn = (images.recipe, images.mode, sampler.seed) if looks > 1 else ()
        ids = _digest(torch.from_numpy(sampler.ids))
        key = kept.key_of(tower.before, "pictures", source.fingerprint, ids, look, source.white, looks, drawn)
        times = f", each in {looks} looks" if looks > 1 else ""
        said = f"the locked picture tower read {len(sampler.ids):,} pictures once{times}"
        lost = len(sampler.lost)
        self._seen_RW = self._told(kept.kept(key, count, self._read_pictures(tower, look, looks)), said)
        self._looks = looks
        if len(sampler.lost) > lost:  # their rows are empty, for this run alone
            kept.forget(key)

    @torch.no_grad()
    def _read_pictures(
        self, tower: Tower, look: Preprocessing, looks: int
    ) -> Iterator[tuple[npt.NDArray[np.int64], Tensor]]:
        images, place = self.images, np.arange(len(self.images.sampler.ids))

        def drawn(rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], list[Tensor]]:
            """(the rows that can be read, the looks at their pictures)."""
            ids_B = images.sampler.there(images.sampler.ids[rows])
            if not len(ids_B):
                return ids_B, []
            looked = [images.plain(ids_B, look), *(images.drawn(ids_B, epoch)[0] for epoch in range(looks - 1))]
            return np.searchsorted(images.sampler.ids, ids_B), looked

        parts = np.array_split(place, max(1, -(-len(place) // PICTURES_AT_ONCE)))
        for rows in progress.passing(parts, "reading pictures", each=PICTURES_AT_ONCE, total=len(place)):
            there, looked = images.readable(lambda these=rows: drawn(these))  # type: ignore[misc]
            for view, pixels in enumerate(looked):
                yield there * looks + view, tower.read(pixels).float().cpu()

    def _told(self, found: Tensor | None, said: str) -> Tensor | None:
        """What was kept, and in which precision."""
        if found is not None:
            half = "" if found.dtype == torch.float32 else "; they are many, so the features are kept in fp16"
            self.messages = (*self.messages, f"{said}{half}")
        return found

    def _seen(self, step: int) -> Batch:
        """This process's rows of a step, their pictures as a locked tower has read them."""
        sampler = self.images.sampler
        ids_B, total, seed = sampler.own(step), sampler.steps, sampler.seed
        row_B = np.searchsorted(sampler.ids, ids_B) * self._looks
        if self._looks > 1:
            row_B = row_B + keyed.below(self._looks, "look", seed, sampler.epoch(step), ids_B)
        assert self._seen_RW is not None
        features_BW = self._seen_RW[torch.from_numpy(row_B)].float().to(self.images.device)
        return Batch((features_BW,), torch.from_numpy(ids_B).to(self.images.device), step, total, seed)

    def _others(self, batch: Batch, ids_B: Ids, chosen_B: Ids, step: int) -> Batch:
        """The captions of this batch as the rules change them."""
        epoch, texts = self.images.sampler.epoch(step), [self._texts_K[k] for k in chosen_B]
        made = altered(texts, ids_B, self.images.sampler.seed, epoch, rules=self.rules)
        own = (self._texts_K[self._first_N[i] : self._first_N[i] + self._count_N[i]] for i in ids_B)
        changed = [text for text, true in zip(made, own) if text is not None and text not in true]
        ids_MT = self.words(changed, full=not self.cut) if changed else self._ids_KT[:0]
        names = [self._known.get(row, NOBODY) for row in _bare(ids_MT, self.words.pad_id)]
        name_M = torch.tensor(names, dtype=torch.int64)
        device = batch.ids_B.device
        view = {"input_ids": ids_MT.to(device)}
        return replace(batch, views=(view,), ids_B=name_M.to(device), groups_B=name_M.to(device))

    def _changed(self) -> str:
        """How many captions the rules change, from the first `LOOKED_AT`; Unfit if they change none."""
        some = self._texts_K[:LOOKED_AT]
        made = altered(some, np.arange(len(some)), 0, 0, rules=self.rules)
        count = sum(text is not None for text in made)
        if not count:
            raise Unfit(f"--negatives rules:{','.join(self.rules)} changes none of the first {len(some):,} captions.")
        return f"the rules change {count:,} of the first {len(some):,} captions into hard negatives"

    def __len__(self) -> int:
        return len(self.images)

    def chosen(self, ids_B: Ids, epoch: int) -> Ids:
        """The row of each sample's caption in this epoch, among all captions: the choice of `Source.texts`."""
        share_B = keyed.uniform("caption", self.images.sampler.seed, epoch, ids_B)
        drawn_B: Ids = self._first_N[ids_B] + np.floor(share_B * self._count_N[ids_B]).astype(np.int64)
        return drawn_B


def _digest(rows: Tensor) -> str:
    """A name for these integers."""
    return f"{tuple(rows.shape)} {hashlib.blake2b(rows.numpy().tobytes(), digest_size=16).hexdigest()}"


def _lengths(ids_KT: Tensor, pad_id: int) -> Tensor:
    """Tokens of each caption without its padding, (K,)."""
    place_T = torch.arange(1, ids_KT.shape[1] + 1)
    return ((ids_KT != pad_id) * place_T).amax(dim=1)


def _bare(ids_KT: Tensor, pad_id: int) -> list[bytes]:
    """The ids of each caption without its padding, as what a dictionary can hold."""
    return [row[:length].tobytes() for row, length in zip(ids_KT.numpy(), _lengths(ids_KT, pad_id).tolist())]


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
