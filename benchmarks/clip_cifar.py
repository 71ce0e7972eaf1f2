"""CIFAR-10 learned from sentences: captions from templates, zero-shot by templates that were never trained on.

    python benchmarks/clip_cifar.py DATA [--minutes 8] [--seed 0]

DATA holds train.parquet and test.parquet with the columns image and label_name. Wanted: zero-shot top-1 >= 55 % within
ten minutes on two cores (guessing 10 %).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import kontrast
from kept import add
from kontrast.data.open import open_source
from kontrast.evaluate.zero_shot import zero_shot

TRAINED = (
    "a photo of a {}.", "a picture of a {}.", "an image of the {}.", "a blurry photo of a {}.", "there is a {} here.",
    "this is a {}.", "a small {}.", "a close-up of a {}.", "my photo of the {}.", "a {} in the middle of the picture.",
)  # fmt: skip
TESTED = ("a photograph showing one {}.", "here you see the {}.", "a low resolution {}.")


def write(source: Path, target: Path, seed: int) -> None:
    """The training pictures, each with three sentences about its class."""
    table = parquet.read_table(source, columns=["image", "label_name"])
    g = np.random.default_rng(seed)
    names = table["label_name"].to_pylist()
    captions = [[TRAINED[k].format(name) for k in g.choice(len(TRAINED), 3, replace=False)] for name in names]
    parquet.write_table(table.select(["image"]).append_column("captions", pa.array(captions)), target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        write(said.data / "train.parquet", Path(folder) / "pairs.parquet", said.seed)
        run = kontrast.train(
            Path(folder) / "pairs.parquet", method="clip", out=str(Path(folder) / "run"), epochs=said.epochs,
            max_minutes=said.minutes, batch_size=256, lr=2e-3, seed=said.seed,
        )  # fmt: skip
        seconds = time.monotonic() - began
        test = open_source(said.data / "test.parquet", labels="label_name", channels=3)
        image = run.model.embed_source(test, test.ids)
        score = zero_shot(image, test.labels[test.ids], test.classes, TESTED, run.model.embed_text)
    add("clip_cifar", {"seed": said.seed, **score, "seconds": round(seconds, 1)})


if __name__ == "__main__":
    main()
