"""A folder of pictures as a source at once: names and sizes of files are read, and the heads of some pictures.

What must be one for all pictures (channels, the order of a batch in memory) follows from a keyed sample of heads; of a
folder with fewer pictures the sample is all of them. Where the sample has 16-bit pictures, all must be looked at: the
value that is white depends on every one.

Shapes: N samples of the listing.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kontrast import keyed, progress
from kontrast.data.names import Names
from kontrast.data.pixels.decode import Broken, glance
from kontrast.data.pixels.store import Read, Skipped, digest
from kontrast.data.pixels.unread import Met, Unread
from kontrast.data.source import Options, Source, fingerprint
from kontrast.errors import shown
from kontrast.keyed import Ids

PEEK = 1024  # pictures whose heads are read
TOLD = 1 << 14  # files between two lines of progress

Shape = tuple[int, int, int]


def unsurveyed(
    folder: Path, names: Names, read: Read, wanted: Ids, refused: Mapping[int, str], options: Options
) -> Source | None:
    """A source that decodes when asked; None where all pictures must be looked at first."""
    ids = np.setdiff1d(wanted, np.array(list(refused), dtype=np.int64))
    sample = np.sort(ids[keyed.permuted(np.arange(min(PEEK, len(ids))), len(ids), "peek")]) if len(ids) else ids
    shapes, digests, deep = _peeked(read, sample.tolist(), options.shorter_side)
    if not shapes or deep or options.white is not None:
        return None
    size_N = _sizes(folder, names)
    channels = options.channels or max(channels for channels, _, _ in shapes)
    sizes = Counter[tuple[int, int]]()
    for (_, *side), many in shapes.items():
        sizes[side[0], side[1]] += many
    size = next(iter(sizes)) if len(sizes) == 1 else None
    usable_N = np.zeros(len(names), dtype=bool)
    usable_N[ids] = True
    each = sum(math.prod(size) * many for size, many in sizes.items()) / sum(sizes.values())
    return Source(
        name=shown(str(folder)),
        kind="images",
        names=names,
        ids=ids,
        fingerprint=_fingerprint(names, size_N, digests, channels, options.shorter_side),
        pictures=Met(
            read,
            usable_N,
            channels,
            size,
            folder=folder,
            shorter_side=options.shorter_side,
            memory=options.memory if len(ids) * channels * each <= options.memory else 0,
            workers=options.workers,
        ),
        channels=channels,
        size=size,
        skipped=tuple(Skipped(place, names[place], why) for place, why in sorted(refused.items())),
        shapes=sizes,
        digests=Unread(read, size_N),
        messages=(_told(len(ids), sizes, shapes, channels),),
        surveyed=False,
    )


def _peeked(read: Read, sample: list[int], shorter_side: int | None) -> tuple[Counter[Shape], dict[int, bytes], bool]:
    """(shapes as they will be read, hashes of the bytes by id, whether one has more than 8 bits) of some pictures."""
    shapes, digests, deep = Counter[Shape](), dict[int, bytes](), False
    for one in progress.passing(sample, "reading heads of pictures"):
        try:
            raw = read(one)
            digests[one] = digest(raw)
            shape, bits = glance(raw, shorter_side) if isinstance(raw, bytes) else (raw.shape, 8 * raw.itemsize)
        except (Broken, OSError, ValueError):  # found again when it is met, and named then
            continue
        shapes[shape] += 1
        deep |= bits > 8
    return shapes, digests, deep


def _sizes(folder: Path, names: Names) -> Ids:
    """Bytes of each file, (N,); -1 where it cannot be asked."""
    size_N = np.full(len(names), -1, dtype=np.int64)
    start = str(folder) + os.sep
    for place, name in enumerate(names):
        if place % TOLD == 0:
            progress.told("sizes of files", place, len(names))
        try:
            size_N[place] = os.stat(start + name).st_size
        except OSError:
            continue
    return size_N


def _fingerprint(names: Names, size_N: Ids, digests: Mapping[int, bytes], *how: object) -> str:
    """As `source.fingerprint`, of all names and sizes and of the bytes that were read."""
    total = hashlib.blake2b(digest_size=16)
    names.digest_of(total.update)
    total.update(size_N.astype("<i8").tobytes())
    return fingerprint(names, digests, "unsurveyed", total.hexdigest(), *how)


def _told(count: int, sizes: Mapping[tuple[int, int], int], shapes: Counter[Shape], channels: int) -> str:
    """What is known so far."""
    peeked = sum(shapes.values())
    of = "all heads" if peeked == count else f"{peeked:,} heads"
    sides = [min(size) for size in sizes]
    size = (
        "{1} x {0}".format(*next(iter(sizes))) if len(sizes) == 1 else f"shorter side {min(sides):,} to {max(sides):,}"
    )
    grey = sum(many for (c, _, _), many in shapes.items() if c == 1)
    colour = "grey" if channels == 1 else "RGB"
    beside = f" ({grey:,} of them grey)" if 0 < grey < peeked else ""
    return (
        f"{count:,} pictures, decoded when needed; by {of}: {size}, {colour}{beside}, 8-bit. Broken ones are named "
        "when they are met; --survey looks at all first, kontrast check says more"
    )
