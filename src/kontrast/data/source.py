"""What a source of samples is: ids, names, pixels or words, and what was said about them.

A sample's id is its place in the sorted listing (or its row), broken ones included: it never changes when a file turns
out to be broken or a split is chosen. Everything per sample is indexed by id and has length `len(source)`; `ids` says
which of them can be used.

Shapes: N samples of the listing, M usable ones, B asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kontrast import keyed
from kontrast.data.content import kept_apart, kept_apart_unread, linked
from kontrast.data.messages import shown
from kontrast.data.pixels.store import Lost, Pictures, Skipped
from kontrast.data.pixels.unread import Met, Unread
from kontrast.data.splits import SPLITS, canonical, chosen
from kontrast.errors import Unfit
from kontrast.keyed import Ids

Kind: TypeAlias = str  # of a source; a modality takes one or some of them
CALLED: dict[Kind, str] = {  # where people call them otherwise
    "images": "pictures",
    "texts": "sentences",
    "pairs": "pairs",
    "triplets": "triplets",
    "scored_pairs": "scored pairs",
}


@dataclass(frozen=True)
class Options:
    """How the user wants a source to be read; the arguments of `open_source`."""

    labels: str | Sequence[Any] | npt.NDArray[Any] | None = None
    split: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    same: str | None = None
    strict: bool = False
    channels: int | None = None
    memory: int = 2 << 30
    shorter_side: int | None = 512
    workers: int = 2
    white: int | None = None
    follow_links: bool = False
    texts_only: bool = False
    beside: bool = False
    survey: bool = True


@dataclass(frozen=True)
class Source:
    """Samples that can be read by id.

    Attributes:
        kind: images; texts; pairs (image or anchor, and text or positive); triplets; scored_pairs (two and a score);
            or what a reader of another kind of data calls it.
        names: by id: the path inside the folder, or the row.
        ids: the usable samples of the chosen split, ascending.
        skipped: (id, name, reason) of every sample that cannot be used.
        labels: by id, -1 unknown, for evaluation only; None when nobody named any. `classes` are their names.
        groups: by id: what `same` named; equal groups belong together and are never each other's negatives.
        columns: by role (text, anchor, positive, negative, score), then by id; a caption may be a list of captions. A
            kind of data without pictures and words keeps its samples in a column too.
        beside: by name, then by id: the columns of a table that play no part, where they were asked for.
        splits: usable ids of each split that the data names.
        scored: of pictures: ids of first and second, and how alike each two are (rows a, b, label).
        channels, size, bits: of the pictures as they are given out; size is None when they differ.
        highest, white: of 16-bit pictures: the largest value there is, and the value that stands for 1.
        surveyed: every picture was looked at; else broken ones are found when they are asked for (`Lost`), `shapes`
            are those of a sample, and `digests` are read when asked for.
        messages: lines to say aloud before anything is trained.
    """

    name: str
    kind: Kind
    names: Sequence[str]
    ids: Ids
    fingerprint: str
    pictures: Pictures | None = None
    channels: int = 0
    size: tuple[int, int] | None = None
    bits: int = 8
    highest: int = 255
    white: int = 255
    skipped: tuple[Skipped, ...] = ()
    labels: Ids | None = None
    classes: tuple[str, ...] = ()
    groups: Ids | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    beside: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    splits: Mapping[str, Ids] = field(default_factory=dict)
    scored: tuple[Ids, Ids, Sequence[float]] | None = None
    shapes: Mapping[tuple[int, int], int] = field(default_factory=dict)  # (height, width) -> how many
    digests: Mapping[int, bytes] = field(default_factory=dict)  # sample id -> hash of its encoded bytes
    messages: tuple[str, ...] = ()
    surveyed: bool = True

    def __len__(self) -> int:
        return len(self.names)

    @property
    def called(self) -> str:
        """What people call its samples."""
        return CALLED.get(self.kind, self.kind)

    @property
    def said(self) -> tuple[str, ...]:
        """`messages`, as they were called."""
        return self.messages

    def images(self, ids: Ids | Sequence[int], *, workers: int | None = None) -> Tensor | list[Tensor]:
        """The pictures of these samples: uint8 or uint16, (B, C, H, W), or a list of (C, H, W) when sizes differ.

        workers: threads that decode what is not in memory; by default as many as the source was opened with.

        Raises `Lost` where a file cannot be read, or is another than when the source was opened.
        """
        if self.pictures is None:
            raise Unfit(f"{self.name} holds {self.kind}, not pictures.")
        try:
            return self.pictures(np.asarray(ids, dtype=np.int64), workers)
        except Lost as lost:
            raise Lost(lost.reasons, self.names) from None

    def unreadable(self, ids: Ids) -> dict[int, str]:
        """Why, by id, of those of these ids that cannot be read. Of a source that was surveyed there are none."""
        return self.pictures.unreadable(ids) if isinstance(self.pictures, Met) else {}

    def texts(self, ids: Ids | Sequence[int], role: str = "text", *, seed: int = 0, epoch: int = 0) -> list[str]:
        """The words of these samples. Of several captions one is drawn, a pure function of (seed, epoch, id)."""
        if role not in self.columns:
            raise Unfit(f"{self.name} has no column for {role!r}; it has {', '.join(self.columns) or 'none'}.")
        return [_one_of(self.columns[role][sample], seed, epoch, sample) for sample in np.asarray(ids).tolist()]

    def captions(self, ids: Ids | Sequence[int], role: str = "text") -> list[list[str]]:
        """All captions of each of these samples."""
        values = self.columns[role]
        return [list(v) if isinstance(v := values[i], list) else [v] for i in np.asarray(ids).tolist()]

    def part(self, ids: Ids, name: str = "") -> Source:
        """The same samples under the same ids, of which only these are used."""
        return replace(self, ids=np.sort(np.asarray(ids, dtype=np.int64)), name=name or self.name)

    def split(self, name: str) -> Source:
        """The part that the data itself calls by this name."""
        found = chosen(name, self.splits)
        if found is None:
            known = ", ".join(self.splits) or "none"
            raise Unfit(f"split: {self.name} has no split {name!r}; it has {known}.")
        return self.part(self.splits[found], f"{self.name} ({name})")

    def needs(self, *kinds: Kind) -> Source:
        """Itself, if it is of one of these kinds; else a sentence that says what was expected."""
        if self.kind not in kinds:
            raise Unfit(
                f"{self.name} holds {self.called}, but {' or '.join(CALLED.get(k, k) for k in kinds)} are needed."
            )
        return self

    def within(self, white: int | None) -> Source:
        """Itself, if its pictures can be read against this white; else a sentence. None, and 8-bit pictures, always."""
        if white is not None and self.bits == 16 and self.highest > white:
            raise Unfit(
                f"{self.name} has 16-bit values up to {self.highest:,}, beyond the {white:,} that is white: they would "
                "be cut off. Scale them as the training pictures, or train with a larger --white."
            )
        return self

    def held_out(self, share: float, seed: int) -> tuple[Ids, Ids]:
        """(ids to train on, ids held out), as `held_out` chooses them, with no picture, group or equal content in both.

        Rows with a picture or sentence in common stay together too, unless they all hang together: then only equal
        rows do. Where not even that leaves a part of about this size, each sample stands for itself. Of pictures that
        were not surveyed those are read, not decoded, that have as many bytes as one that may be held out.
        """
        count = _count(len(self.ids), share)
        if isinstance(self.digests, Unread) and self.groups is None:
            among_N = np.isin(np.arange(len(self)), self.ids)
            held = kept_apart_unread(self.ids, count, seed, partial(self.digests.equal_to, among_N=among_N))
            return held_out(self.ids, share, seed) if held is None else (np.setdiff1d(self.ids, held), held)
        for members in (True, False):
            held = kept_apart(self.ids, count, seed, linked(self, members=members))
            if held is not None:
                return np.setdiff1d(self.ids, held), held
        return held_out(self.ids, share, seed)


def held_out(ids: Ids, share: float, seed: int) -> tuple[Ids, Ids]:
    """Two disjoint parts of the ids, ascending: the larger to train on, the other never trained on.

    share: a fraction below 1, or a count. Which samples are held out depends on the seed and on each sample's id alone
    up to the count, so the same data and seed give the same parts for ever.
    """
    count = _count(len(ids), share)
    order = np.argsort(keyed.words("held out", seed, ids), kind="stable")
    return np.sort(ids[order[count:]]), np.sort(ids[order[:count]])


def _count(samples: int, share: float) -> int:
    count = round(samples * share) if share < 1 else int(share)
    if not 0 < count < samples:
        raise Unfit(f"Cannot hold out {count} of {samples} samples: both parts need at least one.")
    return count


def training_part(source: Source) -> Source:
    """What the data itself gives to train on: its training split, else all that is in no split made for tests."""
    if len(source.splits.get("train", ())):
        return source.split("train")
    others = [ids for name, ids in source.splits.items() if canonical(name) in SPLITS]
    return source.part(np.setdiff1d(source.ids, np.concatenate(others))) if others else source


def stop_if_broken(name: str, skipped: Sequence[Skipped], usable: int, strict: bool) -> None:
    """Refuse a source with nothing left, or, if strict, with anything broken."""
    if skipped and (strict or not usable):
        many = f"{len(skipped):,} of {len(skipped) + usable:,}" if usable else f"all {len(skipped):,}"
        leave = "; leave --strict out to skip such files" if usable else ""
        raise Unfit(
            f"{name}: {many} samples cannot be used, the first is {shown(skipped[0].name)}: {skipped[0].reason}{leave}."
        )


def fingerprint(names: Sequence[str], digests: Mapping[int, bytes], *how: object) -> str:
    """128 bits that change when a name, a byte of the data, or the way of reading it changes."""
    total = hashlib.blake2b(repr((len(names), how)).encode(), digest_size=16)
    for sample, digest in digests.items():
        total.update(_bytes(names[sample]) + b"\0" + digest)
    return total.hexdigest()


def _bytes(name: str) -> bytes:
    """A name as bytes: those it has in its folder, or, of half a letter out of a table, those of that half."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")


def _one_of(value: Any, seed: int, epoch: int, sample: int) -> str:
    if isinstance(value, list):
        return str(value[int(keyed.below(len(value), "caption", seed, epoch, sample))])
    return str(value)
