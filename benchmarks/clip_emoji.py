"""Emoji drawings and their English names, from nothing: names find drawings among held-out emoji of the same block.

    python benchmarks/clip_emoji.py [--minutes 4.5] [--seeds 3]

A third is held out, by base emoji. Tested in each Unicode block of at least 60 held-out emoji, and among all of them:
recall at 10 both ways against what guessing finds there. Wanted: 3 times guessing, within five minutes.
In blocks of 40 guessing finds a quarter, and 3 times guessing would ask for nearly everything. Needs the extra `emoji`.

Every finished run is a line of results/clip_emoji.jsonl; started again, the program does what is missing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import kontrast
from kept import add, rows
from kontrast.data.open import open_source
from kontrast.evaluate.retrieval import pair_retrieval

LEAST = 60


def within_blocks(model: kontrast.Model) -> dict[str, float]:
    """Recall at 10 and chance: the mean over held-out emoji in blocks of at least `LEAST`, and among all of them."""
    test = open_source("emoji", split="test", channels=3)
    block = test.labels[test.ids]
    found, chance, items = 0.0, 0.0, 0
    for number in np.unique(block):
        ids = test.ids[block == number]
        if len(ids) < LEAST:
            continue
        image, text = model.embed_source(test, ids), model.embed_text(test.texts(ids))
        found += len(ids) * pair_retrieval(image, text, np.arange(len(ids)))["recall_at_10"]
        chance += len(ids) * 10 / len(ids)
        items += len(ids)
    image, text = model.embed_source(test, test.ids), model.embed_text(test.texts(test.ids))
    among_all = pair_retrieval(image, text, np.arange(len(test.ids)))["recall_at_10"]
    return {
        "recall_at_10": round(found / items, 4), "chance": round(chance / items, 4), "items": items,
        "recall_at_10_among_all": round(among_all, 4), "chance_among_all": round(10 / len(test.ids), 4),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.5)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    said = parser.parse_args()
    done = {row["seed"] for row in rows("clip_emoji") if (row["least"], row["epochs"]) == (LEAST, said.epochs)}
    for seed in sorted(set(range(said.seeds)) - done):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            run = kontrast.train(
                "emoji", method="clip", out=str(Path(folder) / "run"), epochs=said.epochs, max_minutes=said.minutes,
                image_size=said.image_size, encoder="small", batch_size=128, lr=2e-3, seed=seed, validate="none",
            )  # fmt: skip
            row = {"seed": seed, **within_blocks(run.model), "steps": run.summary["steps"]}
        row |= {"least": LEAST, "epochs": said.epochs, "seconds": round(time.monotonic() - began, 1)}
        add("clip_emoji", row)


if __name__ == "__main__":
    main()
