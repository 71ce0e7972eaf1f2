"""The same views for any number of workers and processes, and after a resume: one hash each, all must be equal.

    python benchmarks/view_hashes.py

`pictures` PNG files of 40 x 56, decoded when asked for, an epoch of SimCLR's views in both engines. A resume begins
with new batches in the middle of the epoch, as after a kill; its first half is what ran before.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from kontrast import keyed
from kontrast.data.batches import ImageBatches
from kontrast.data.sources import Source, open_source
from kontrast.positives.images import Mode
from kontrast.positives.papers import recipe

PICTURES, BATCH, SIDE = 24, 8, 32


def files(folder: Path) -> Source:
    """Pictures as files that do not fit the memory given."""
    values = keyed.below(256, "view hashes", np.arange(PICTURES * 5 * 7 * 3)).astype(np.uint8)
    for i, small in enumerate(values.reshape(PICTURES, 5, 7, 3)):
        Image.fromarray(small).resize((56, 40), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")
    return open_source(folder, memory=0)


def digest(source: Source, mode: Mode, *, workers: int, processes: int = 1, resumed: bool = False) -> str:
    """The hash of every view of an epoch, in the order of the samples."""
    steps = PICTURES // BATCH
    found: dict[int, bytes] = {}
    for rank in range(processes):
        for first, last in ((0, 1), (1, steps)) if resumed else ((0, steps),):
            batches = ImageBatches(source, source.ids, recipe("simclr", SIDE, 3), BATCH, 5, 9, mode=mode,
                                   workers=workers, rank=rank, processes=processes)  # fmt: skip
            for step in range(first, last):
                batch = batches(step)
                for row, sample in enumerate(batch.ids_B.tolist()):
                    found[sample] = b"".join(view[row].contiguous().numpy().tobytes() for view in batch.views)
    assert len(found) == PICTURES
    return hashlib.blake2b(b"".join(found[sample] for sample in sorted(found)), digest_size=16).hexdigest()


def hashes(source: Source, mode: Mode) -> dict[str, str]:
    """Each way to the same epoch, and its hash."""
    ways = {f"{n} workers, 1 process": digest(source, mode, workers=n) for n in (0, 1, 2, 4)}
    ways |= {f"{n} workers, 2 processes": digest(source, mode, workers=n, processes=2) for n in (0, 2)}
    return ways | {"killed and resumed": digest(source, mode, workers=2, resumed=True)}


def main() -> int:
    """Print the table; 1 if any two hashes of an engine differ."""
    different = 0
    with TemporaryDirectory() as folder:
        source = files(Path(folder))
        for mode in ("fast", "exact"):
            ways = hashes(source, mode)
            different += len(set(ways.values())) > 1
            for way, found in ways.items():
                print(f"{mode:6} {way:26} {found}")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
