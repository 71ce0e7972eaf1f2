"""Facts about a source before the first step: what is broken, odd, repeated, or shared with the test data.

Nothing here changes the source. Exact repeats are found by hash of the encoded bytes (pictures) or by equal words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kontrast.data.content import by_pixels, contents, linked
from kontrast.data.messages import shown
from kontrast.data.pixels.store import Skipped
from kontrast.data.source import Source


@dataclass(frozen=True)
class Facts:
    """What was found.

    samples, usable   in the listing; of them without fault and in the chosen split
    skipped           (id, name, reason)
    sizes             (height, width) -> how many
    highest, white    the largest value in 16-bit pictures, and the value that stands for 1 (`Source.white`)
    repeats           ids with equal content, each group ascending; the first of each could stay alone
    apart             how many of the repeats are taken for something else: they are not in one group
    shared            usable samples that the other source has too, None when there was no other
    akin              rows of the other source that have a picture or a sentence in common with rows of this one
    classes           class name -> how many
    words             shortest, middle and longest text in words, None without text
    """

    kind: str
    samples: int
    usable: int
    skipped: tuple[Skipped, ...]
    sizes: dict[tuple[int, int], int]
    channels: int
    bits: int
    highest: int
    white: int
    repeats: list[list[int]]
    apart: int
    shared: int | None
    akin: int
    classes: dict[str, int]
    words: tuple[int, int, int] | None

    def lines(self) -> list[str]:
        """What a user should hear, a line each; silent about what is as it should be."""
        messages = []
        if self.skipped:
            messages.append(f"{len(self.skipped):,} of {self.samples:,} cannot be used:")
            messages += [f"  {shown(sample.name)}: {sample.reason}" for sample in self.skipped[:5]]
            messages += [f"  and {len(self.skipped) - 5:,} more"] if len(self.skipped) > 5 else []
        if self.bits == 16:
            bits = round(np.log2(self.white + 1))
            messages.append(
                f"16-bit pictures with values up to {self.highest:,}: {self.white:,} is white ({bits} bits)"
                "; --white says otherwise"
            )
        if self.apart:
            harm = "they count twice" if self.kind == "scored_pairs" else "each is pushed away from its own copy"
            messages.append(f"{self.apart:,} exact repeats ({self.apart / self.usable:.1%}): {harm}")
        if self.shared:
            messages.append(f"{self.shared:,} samples are in the test data too: its score will be too good")
        elif self.akin:
            messages.append(
                f"{self.akin:,} held-out rows have a picture or a sentence in common with rows to train on, because "
                "the rows hang together: their score will be a little too good; --validate DATA names other data"
            )
        if self.words is not None:
            messages.append("words in a text: {} to {}, half have at most {}".format(*np.array(self.words)[[0, 2, 1]]))
        return messages


def check(source: Source, against: Source | None = None) -> Facts:
    """Look at a source; with `against`, count what the two have in common.

    Of pictures that were not surveyed nothing is read: repeats, and what is shared with others, stay unknown.
    """
    known = source.surveyed and (against is None or against.surveyed)
    pixels = by_pixels(source) and (against is None or by_pixels(against))
    content = contents(source, pixels=pixels) if known else []
    places: dict[Hashable, list[int]] = defaultdict(list)
    for sample, what in zip(source.ids.tolist(), content):
        places[what].append(sample)
    repeats = [group for group in places.values() if len(group) > 1]
    groups = source.groups if source.groups is not None else np.arange(len(source))
    lengths = [len(text.split()) for text in _texts(source)]
    labels = source.labels[source.ids] if source.labels is not None else np.array([], dtype=np.int64)
    per_class = Counter(labels[labels >= 0].tolist())
    return Facts(
        kind=source.kind,
        samples=len(source),
        usable=len(source.ids),
        skipped=source.skipped,
        sizes=dict(source.shapes),
        channels=source.channels,
        bits=source.bits,
        highest=source.highest,
        white=source.white,
        repeats=repeats,
        apart=sum(len(set(groups[group].tolist())) - 1 for group in repeats),
        shared=None if against is None or not known else len(set(content) & set(contents(against, pixels=pixels))),
        akin=0 if against is None else _akin(source, against),
        classes={name: per_class.get(number, 0) for number, name in enumerate(source.classes)},
        words=(min(lengths), int(np.median(lengths)), max(lengths)) if lengths else None,
    )


def _akin(source: Source, against: Source) -> int:
    """Rows of `against` with a member of the rows of `source`, of one listing whose rows have several members."""
    if source.kind not in ("pairs", "triplets", "scored_pairs") or source.names is not against.names:
        return 0
    both = source.part(np.concatenate([source.ids, against.ids]))
    number = dict(zip(both.ids.tolist(), linked(both, members=True).tolist()))
    known = {number[sample] for sample in source.ids.tolist()}
    return sum(number[sample] in known for sample in against.ids.tolist())


def _texts(source: Source) -> Iterable[str]:
    for role in source.columns:
        if role not in ("score", "similar"):
            captions: Sequence[list[str]] = source.captions(source.ids, role)
            yield from (text for several in captions for text in several if isinstance(text, str))
