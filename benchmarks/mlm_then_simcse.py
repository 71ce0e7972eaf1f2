"""Does unsupervised SimCSE gain from a language model of forty minutes? Masked words first, then dropout twins.

    python benchmarks/mlm_then_simcse.py DATA [--minutes 40] [--count 90000] [--steps 250] [--seeds 3]

Masked words alone on `--count` of sentences/train.parquet, one epoch of at most `--minutes` (once, kept in
results/mlm/; the count is what one core of an AMD EPYC gets through, so that the rate has decayed when the time is up),
then unsupervised SimCSE from there, STS-B dev looked at every 50 steps. The paper's gain needs a pretrained language
model; whether this small one is enough is what the figure says. Every finished run is a line of
results/mlm_then_simcse.jsonl.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from pyarrow import parquet

import kontrast
from kept import RESULTS, add, rows
from kontrast.data.open import open_source
from kontrast.evaluate.sts import sts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--count", type=int, default=90_000)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--lr", type=float, default=3e-5)
    parser.add_argument("--seeds", type=int, default=3)
    said = parser.parse_args()
    sentences, dev = said.data / "sentences/train.parquet", said.data / "sts/stsb.parquet"
    first = RESULTS / "mlm"
    if not (first / "model").is_dir():
        resume = first if (first / "config.yaml").is_file() else None
        some = first.with_suffix(".parquet")
        every = parquet.read_table(sentences, columns=["sentence"])
        drawn = np.random.default_rng(0).permutation(len(every))[: said.count]
        parquet.write_table(every.take(drawn), some)
        kontrast.train(
            None if resume else some, resume=resume, **({} if resume else {
                "method": "simcse", "encoder": "small", "set": ["contrast=0", "mlm=1"], "out": str(first), "lr": 1e-3,
                "epochs": 1, "max_minutes": said.minutes, "batch_size": 64, "validate": "none", "seed": 0,
            })
        )  # fmt: skip
    judged = open_source(dev, split="dev")
    before = round(sts(kontrast.load(first).embed_text, judged), 4)
    done = {row["seed"] for row in rows("mlm_then_simcse")}
    for seed in sorted(set(range(said.seeds)) - done):
        with tempfile.TemporaryDirectory() as folder:
            some = Path(folder) / "sentences.parquet"
            parquet.write_table(parquet.read_table(sentences, columns=["sentence"])[: 64 * said.steps], some)
            run = kontrast.train(
                some, method="simcse", weights_from=first, out=str(Path(folder) / "run"), views="dropout", epochs=1,
                batch_size=64, lr=said.lr, validate=str(dev), evaluate_every=50, seed=seed,
            )  # fmt: skip
            after = run.summary["evaluation"]["learned"]["spearman"]
        add("mlm_then_simcse", {"seed": seed, "masked_words": before, "then_simcse": round(after, 4)})


if __name__ == "__main__":
    main()
