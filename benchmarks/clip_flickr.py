"""Photos and captions with a locked text tower: Flickr8k's sample, MiniLM's sentences, a picture net from nothing.

    python benchmarks/clip_flickr.py CAPTIONS.parquet TEXT_FOLDER [--minutes 9] [--seed 0]

Trained on the rows whose split is "train", tested on "dev" (200 pictures, 5 captions each). Wanted: recall at 10 in
both directions >= 5 times guessing (5 %). A thousand pictures are learned by heart with CLIP's own crops, so the crops
are SimCLR's and half of the pictures are flipped.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import kontrast
from kept import add
from kontrast.data.open import open_source
from kontrast.evaluate.formatting import table
from kontrast.evaluate.two_towers import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("text", type=Path, help="a folder with a Hugging Face encoder, such as all-MiniLM-L6-v2")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = kontrast.train(
            said.data, method="clip", split="train", out=str(Path(folder) / "run"), encoder="small",
            image_size=said.image_size, epochs=said.epochs, max_minutes=said.minutes, batch_size=125, lr=1e-3,
            views="plain", validate="none", set=[f"text={said.text}", "lock=text"], seed=said.seed,
        )  # fmt: skip
        dev = open_source(said.data, split="dev", channels=3)
        columns = {"learned": run.model, "random_weights": run.model.random(said.seed)}
        result = evaluate(columns, dev, dev.ids)
    print("\n".join(table(result)))
    add("clip_flickr", {"seed": said.seed, **result["learned"], "seconds": round(time.monotonic() - began, 1)})


if __name__ == "__main__":
    main()
