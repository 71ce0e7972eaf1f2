"""A trained encoder adapted to pictures without labels: never worse than it was, and better where it can be.

    python benchmarks/adapt.py [--sets cifar10 emoji quarters] [--seeds 3] [--minutes 20] [--side 64] [--threads 2]

EfficientNet-Lite0 with its ImageNet weights (`lite0.py`) on

    cifar10   CIFAR-10's training pictures; tested on its test pictures with training pictures as the bank
    emoji     drawings, a third of the emoji held out; labels: Unicode block (extra `emoji`)
    quarters  the four quarters of Flickr8k photos; tested on those of other photos, labels: the photo

twice: `adapted`, as `kontrast train --encoder FOLDER` chooses by itself, and `plain`, all weights at one rate with the
batch's own statistics and SimCLR's views, whose last weights count. kNN and linear probe of frozen and trained weights
on items that neither run saw; labels are used for nothing else. Wanted: never more than half a point below the frozen
weights; at least +2 points of kNN in two of the three sets, +1 of linear in one. How many pictures a run takes follows
from `--minutes` and a step's measured time. Needs KONTRAST_DATA and the extra `peers`.

Every finished run is a line of results/adapt.jsonl; started again, the program does what is missing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kontrast
import lite0
from kept import add, rows
from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.evaluate import suite
from kontrast.evaluate.splits import some
from kontrast.recipes.trained import EPOCHS

DATA = Path(os.environ.get("KONTRAST_DATA", Path(__file__).parents[2] / "shared" / "data"))
TESTED, BANK = 2_000, 4_000  # pictures at most
BATCH = 64
PLAIN = {"tune": "full", "layer_decay": 1.0, "norm": "batch", "views": "simclr-cifar", "lr": 5e-4}


def cifar10(side: int) -> tuple[Source, Source, Source | None]:
    """(pictures to train on, what is tested, whose labels vote; None: halves of what is tested)."""
    train, test = (open_source(DATA / "cifar10" / f"{part}.parquet", labels="label") for part in ("train", "test"))
    return train, test.part(some(test.ids, TESTED, "tested", 0)), train.part(some(train.ids, BANK, "bank", 0))


def emoji(side: int) -> tuple[Source, Source, Source | None]:
    """The drawings, by Unicode block."""
    train, test = (open_source("emoji", split=part, channels=3) for part in ("train", "test"))
    return train, test.part(some(test.ids, TESTED, "tested", 0)), train.part(some(train.ids, BANK, "bank", 0))


def quarters(side: int) -> tuple[Source, Source, Source | None]:
    """The quarters of photos: two of a photo belong together, which nobody says."""
    found = []
    for part in ("train", "dev"):
        photos = open_source(DATA / "captions" / "flickr8k-sample.parquet", split=part, channels=3)
        whole = torch.stack(list(photos.images(photos.ids)))
        half = whole.shape[-1] // 2
        pieces = whole.unfold(2, half, half).unfold(3, half, half).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        names = np.repeat(np.arange(len(photos.ids)), 4)
        found.append(replace(open_source(pieces.numpy()), labels=names, name=f"quarters ({part})"))
    return found[0], found[1], None


SETS = {"cifar10": cifar10, "emoji": emoji, "quarters": quarters}


def measured(model: Any, test: Source, bank: Source | None) -> dict[str, float]:
    """kNN and linear probe, in percent."""
    found = suite.evaluate({"learned": model.embed_source}, test, bank=bank, protocols=["knn", "linear"])["learned"]
    return {"knn": round(100 * found["knn_top1"], 2), "linear": round(100 * found["linear_top1"], 2)}


def trained(
    train: Source, encoder: Path, said: argparse.Namespace, seed: int, way: str, folder: Path
) -> tuple[Any, Any]:
    """(the run, the pictures it took). How many follows from a first short run's pace."""
    unlabelled = replace(train, labels=None, classes=(), groups=None)
    words = {"method": "simclr", "encoder": str(encoder), "image_size": said.side, "batch_size": BATCH, "seed": seed}
    words |= {"threads": said.threads, "view_mode": "fast", "precision": "fp32"}
    words |= {**PLAIN, "validate": "none"} if way == "plain" else {}
    count = said.pictures
    if not count:
        few = unlabelled.part(some(unlabelled.ids, 6 * BATCH, "pace", 0))
        words_of_pace = {**words, "validate": "none", "out": str(folder / "pace"), "epochs": 1}
        pace = kontrast.train(few, say=lambda _: None, **words_of_pace).summary["samples_per_second"]
        passes = pace * 60 * said.minutes * 0.7  # the rest is for looks and tests
        count = next((n for n in range(BATCH * 500, 2 * BATCH, -BATCH) if n * epochs(n) <= passes), 2 * BATCH)
    part = unlabelled.part(some(unlabelled.ids, count, "adapt", 0))
    run = kontrast.train(part, out=str(folder / "run"), epochs=epochs(len(part.ids)), say=print, **words)
    return run, part


def epochs(count: int) -> int:
    return next(epochs for limit, epochs in EPOCHS if count < limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=0, help="how many a run takes; 0: by --minutes")
    parser.add_argument("--ways", nargs="+", default=["adapted", "plain"])
    said = parser.parse_args()
    torch.set_num_threads(said.threads)
    asked = {"minutes": said.minutes, "side": said.side}
    done = {(row["set"], row["seed"], row["way"]) for row in rows("adapt") if asked.items() <= row.items()}
    with tempfile.TemporaryDirectory() as folder:
        encoder = lite0.folder(Path(folder) / "lite0", said.side)
        for name in said.sets:
            train, test, bank = SETS[name](said.side)
            frozen = measured(kontrast.load(encoder), test, bank)
            for seed in range(said.seeds):
                for way in [way for way in said.ways if (name, seed, way) not in done]:
                    began = time.monotonic()
                    with tempfile.TemporaryDirectory() as runs:
                        run, part = trained(train, encoder, said, seed, way, Path(runs))
                    seconds, found = time.monotonic() - began, measured(run.model, test, bank)
                    row = {"set": name, "seed": seed, "way": way, **asked, "pictures": len(part.ids)}
                    row |= {"steps": run.summary["steps"], "seconds": round(seconds), "frozen": frozen, **found}
                    row |= {"kept": run.summary.get("frozen", {}).get("kept", "the last")}
                    add("adapt", row)


if __name__ == "__main__":
    main()
