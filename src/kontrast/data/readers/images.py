"""How pictures become a source: the survey of encoded ones, and which value of a pixel stands for 1."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kontrast.data.messages import described, where_kept
from kontrast.data.pixels.cache import remember, remembered
from kontrast.data.pixels.store import Read, Skipped, store, survey
from kontrast.data.source import Options, Source, fingerprint, stop_if_broken
from kontrast.errors import Unfit
from kontrast.keyed import Ids

TWELVE_BITS = 4095


def of_pictures(
    name: str,
    names: Sequence[str],
    read: Read,
    wanted: Iterable[int],
    options: Options,
    *,
    refused: Mapping[int, str] | None = None,
    shares: Ids | None = None,
    folder: Path | None = None,
    messages: Sequence[str] = (),
) -> Source:
    """A source of encoded pictures: every one looked at once, broken ones named, one channel count and depth for all.

    refused: samples of the listing that must not even be opened, and why. shares: by id, a number that is equal where
    several samples have the same picture; it is read once. folder: where the names are files, so that facts about many
    of them can be kept for the next start.
    """
    reasons = dict(refused or {})
    asked = [sample for sample in wanted if sample not in reasons]
    first: dict[int, int] = {}
    lead = {i: i if shares is None else first.setdefault(int(shares[i]), i) for i in asked}
    leads = list(dict.fromkeys(lead.values()))
    known = {} if folder is None else remembered(folder, names, options.shorter_side)
    if sum(math.prod(fact.shape) * fact.bits // 8 for fact in known.values()) <= options.memory:
        known = {}  # they fit memory, so they are decoded now anyway
    found = survey(
        read, leads, known, memory=options.memory, shorter_side=options.shorter_side, workers=options.workers
    )
    if folder is not None and found.kept is None and found.facts != known:
        remember(folder, names, options.shorter_side, found.facts)
    reasons.update({i: found.broken[lead[i]] for i in asked if lead[i] in found.broken})
    ids = [i for i in asked if i not in reasons]
    skipped = tuple(Skipped(i, names[i], reasons[i]) for i in sorted(reasons))
    stop_if_broken(name, skipped, len(ids), options.strict)
    depths = Counter(fact.bits for fact in found.facts.values())
    grey = sum(fact.shape[0] == 1 for fact in found.facts.values())
    bits = max(depths, key=lambda depth: (depths[depth], depth))
    highest = max(fact.highest for fact in found.facts.values())
    white = white_of(name, highest, max(depths), options.white)
    channels = options.channels or (1 if grey == len(found.facts) else 3)
    shapes = Counter(fact.shape[1:] for fact in found.facts.values())
    digests = {i: found.facts[lead[i]].digest for i in ids}
    lines = described(shapes, grey=grey, channels=channels, depths=depths, bits=bits, skipped=skipped)
    return Source(
        name=name,
        kind="images",
        names=names,
        ids=np.array(ids, dtype=np.int64),
        fingerprint=fingerprint(names, digests, channels, bits, options.shorter_side),
        pictures=store(
            found,
            {i: lead[i] for i in ids},
            read,
            len(names),
            channels=channels,
            bits=bits,
            white=white,
            shorter_side=options.shorter_side,
            workers=options.workers,
        ),
        channels=channels,
        size=next(iter(shapes)) if len(shapes) == 1 else None,
        bits=bits,
        highest=highest if bits == 16 else 255,
        white=white if bits == 16 else 255,
        skipped=skipped,
        shapes=shapes,
        digests=digests,
        messages=(*messages, *lines, *where_kept(found.kept is None, options.memory)),
    )


def white_of(name: str, highest: int, bits: int, requested: int | None) -> int:
    """The pixel value that stands for 1: 255 of 8 bits; of 16 what the user says, else 4,095 where no picture goes
    beyond (cameras, scanners and microscopes write 12 bits into 16-bit files), else 65,535.
    """
    if bits == 8:
        if requested is not None:
            raise Unfit(f"--white {requested} is for 16-bit pictures, and those of {name} have 8 bits.")
        return 255
    if requested is not None and highest > requested:
        raise Unfit(f"--white {requested} is too small: {name} has values up to {highest:,}.")
    return requested or (TWELVE_BITS if highest <= TWELVE_BITS else 65535)
