"""The same views for any number of workers and processes, and after a kill: one hash each, all must be equal.

    python benchmarks/view_hashes.py

`PICTURES` PNG files of 40 x 56, decoded when asked for, an epoch of SimCLR's views by either engine and any workers.
One process draws them all, then two at the same time, each its rows of every batch. Another gets SIGKILL once its first
step is out, and one more goes on from the second.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images.papers import recipe
from kontrast.positives.images.view import Mode

PICTURES, BATCH, SIDE = 24, 8, 32
STEPS = PICTURES // BATCH
MODES: tuple[Mode, ...] = ("fast", "exact")
WAYS = [(mode, workers) for mode in MODES for workers in (2, 0, 1, 4)]  # the first is killed


def files(folder: Path) -> None:
    """Pictures as files."""
    values = keyed.below(256, "view hashes", np.arange(PICTURES * 5 * 7 * 3)).astype(np.uint8)
    for i, small in enumerate(values.reshape(PICTURES, 5, 7, 3)):
        Image.fromarray(small).resize((56, 40), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")


def draw(folder: str, rank: int, processes: int, first: int) -> None:
    """One process: a line for each way and step from `first` on, [way, {sample: the hash of its views}]."""
    source = open_source(folder, memory=0)  # decoded when asked for
    for mode, workers in WAYS:
        order = Sampler(source.ids, BATCH, 5, STEPS, rank, processes)
        batches = ImageBatches(source, order, recipe("simclr", SIDE, 3), mode=mode, workers=workers)
        for step in range(first, STEPS):
            batch, found = batches(step), {}
            for row, sample in enumerate(batch.ids_B.tolist()):
                views = b"".join(view[row].contiguous().numpy().tobytes() for view in batch.views)
                found[sample] = hashlib.blake2b(views, digest_size=16).hexdigest()
            print(json.dumps([f"{mode:5}  {workers} workers", found]), flush=True)


def begun(folder: Path, rank: int = 0, processes: int = 1, first: int = 0) -> subprocess.Popen[str]:
    said = [str(folder), *map(str, (rank, processes, first))]
    return subprocess.Popen([sys.executable, __file__, *said], stdout=subprocess.PIPE, text=True)


def whole(lines: list[str]) -> dict[str, str]:
    """For each way one hash of all samples' hashes, in the order of the samples."""
    told: dict[str, dict[int, str]] = {}
    for way, found in map(json.loads, lines):
        told.setdefault(way, {}).update({int(sample): one for sample, one in found.items()})
    hashes = {}
    for way, found in told.items():
        assert len(found) == PICTURES, f"{way}: {len(found)} of {PICTURES} pictures were drawn"
        every = "".join(found[sample] for sample in sorted(found))
        hashes[way] = hashlib.blake2b(every.encode(), digest_size=16).hexdigest()
    return hashes


def together(folder: Path, processes: int) -> dict[str, str]:
    """So many processes at the same time."""
    running = [begun(folder, rank, processes) for rank in range(processes)]
    return whole([line for one in running for line in one.communicate()[0].splitlines()])


def killed(folder: Path) -> dict[str, str]:
    """One process, killed after the first step of its first way, and another that goes on; the rest is as it was."""
    one = begun(folder)
    assert one.stdout is not None
    first = one.stdout.readline()
    one.kill()
    one.communicate()
    way = json.loads(first)[0]
    rest = [line for line in begun(folder, first=1).communicate()[0].splitlines() if json.loads(line)[0] == way]
    return whole([first, *rest])


def hashes(folder: Path) -> dict[str, str]:
    """Each way to the same epoch, and its hash."""
    files(folder)
    ways = {f"{way}, 1 process": told for way, told in together(folder, 1).items()}
    ways |= {f"{way}, 2 processes": told for way, told in together(folder, 2).items()}
    return ways | {f"{way}, killed and resumed": told for way, told in killed(folder).items()}


def main() -> int:
    """Print the table; 1 if any two hashes of an engine differ."""
    with TemporaryDirectory() as folder:
        ways = hashes(Path(folder))
    for way, told in sorted(ways.items()):
        print(f"{way:36} {told}")
    return int(len({(way[:5], told) for way, told in ways.items()}) > 2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw(sys.argv[1], *map(int, sys.argv[2:]))
    else:
        sys.exit(main())
