"""Tables on CIFAR-10: SimCLR with the small encoder, one thing changed at a time; kNN on the 10,000 test pictures.

    python benchmarks/cifar10.py negatives          what each source of negatives brings
    python benchmarks/cifar10.py similarities       ... and each similarity
    python benchmarks/cifar10.py views              may `fast` views be the default? (5 seeds: --seeds 5)
    python benchmarks/cifar10.py TABLE --shown      the table of what was measured so far, as Markdown

Every run: 3 epochs, batch 512, the same data order and views for a seed, 3 seeds; rows of a table are compared with its
first row, paired by seed. One line a run goes to --out, and an interrupted program goes on where it stopped; a run that
several tables need is made once. About 4 minutes a run on two cores. Needs KONTRAST_DATA/cifar10.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import kontrast
from kontrast.data.sources import open_source
from kontrast.evaluate.knn import knn_predict
from kontrast.model import Model

DATA = Path(os.environ.get("KONTRAST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "cifar10"
RESULTS = Path(__file__).parent / "results" / "cifar10.jsonl"
COMMON = {"method": "simclr", "encoder": "small", "batch_size": 512, "views": "simclr-cifar"}
TABLES: dict[str, dict[str, dict[str, Any]]] = {
    "negatives": {
        "the batch's own": {},
        "random:512": {"negatives": "random:512"},
        "queue:4096": {"negatives": "queue:4096"},
        "queue:4096+mined:256": {"negatives": "queue:4096+mined:256"},
        "queue:4096+mixed:64": {"negatives": "queue:4096+mixed:64"},
        "reweighted:1": {"negatives": "reweighted:1"},
        "debiased:0.1": {"negatives": "debiased:0.1"},
        "decoupled": {"decoupled": True},
    },
    "similarities": {
        "cosine": {},
        "dot": {"similarity": "dot", "temperature": 1.0},
        "euclidean": {"similarity": "euclidean"},
        "squared_euclidean": {"similarity": "squared_euclidean"},
    },
    "views": {"exact": {}, "fast": {"view_mode": "fast"}},
}


def knn(model: Model, train: Any, test: Any) -> float:
    """Top-1 with k = 200, T = 0.1; fraction."""
    bank, query = (model.embed_source(source, source.ids) for source in (train, test))
    labels, answers = (torch.from_numpy(source.labels[source.ids]) for source in (train, test))
    guess = knn_predict(query, bank, labels, classes=10, k=200, temperature=0.1)
    return float((guess == answers).double().mean())


def measured(row: dict[str, Any], seed: int, epochs: int, train: Any, test: Any) -> dict[str, Any]:
    """One run and its accuracy."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        said = COMMON | row | {"seed": seed, "epochs": epochs}
        run = kontrast.train(train, **said, validate="none", out=f"{folder}/run", say=lambda _: None)
        if run.model is None:
            raise SystemExit(f"{said}: ended as {run.ending}")
        rows = [json.loads(line) for line in (Path(folder) / "run" / "log.jsonl").read_text().splitlines()]
        return {
            **{"row": row, "seed": seed, "epochs": epochs, "knn": knn(run.model, train, test)},
            **{"loss": rows[-1]["loss"], "guessing": rows[-1]["guessing"], "verdict": run.summary["verdict"]},
            **{"signs": {name: rows[-1][name] for name in ("clamp_rate",) if name in rows[-1]}},
            **{"threads": torch.get_num_threads(), "torch": torch.__version__},
            "seconds": round(time.perf_counter() - began, 1),
        }


def main() -> None:
    """Run what is missing, seed by seed, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES, nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--shown", action="store_true", help="print only, run nothing")
    said = parser.parse_args()
    lines = said.out.read_text().splitlines() if said.out.exists() else []
    done = {_key(r["row"], r["seed"], r["epochs"]): r for r in map(json.loads, lines)}
    if not said.shown:
        train, test = (open_source(DATA / f"{name}.parquet", labels="label_name") for name in ("train", "test"))
        for seed in range(said.seeds):
            for table in said.table:
                for name, row in TABLES[table].items():
                    if _key(row, seed, said.epochs) in done:
                        continue
                    found = measured(row, seed, said.epochs, train, test)
                    done[_key(row, seed, said.epochs)] = found
                    said.out.parent.mkdir(parents=True, exist_ok=True)
                    with said.out.open("a") as record:
                        record.write(json.dumps(found) + "\n")
                    print(f"{table}  {name}  seed {seed}  kNN {found['knn']:.4f}  {found['seconds']} s", flush=True)
    for table in said.table:
        print(f"\n| {table} | kNN top-1 of each seed | mean | beside the first row, paired (spread) |")
        print("|---|---|---|---|")
        first = next(iter(TABLES[table].values()))
        for name, row in TABLES[table].items():
            pairs = [
                (done[mine]["knn"], done[other]["knn"])
                for s in range(said.seeds)
                if (mine := _key(row, s, said.epochs)) in done and (other := _key(first, s, said.epochs)) in done
            ]
            if not pairs:
                continue
            scores, apart = [mine for mine, _ in pairs], [100 * (mine - other) for mine, other in pairs]
            spread = f" ({statistics.stdev(apart):.2f})" if len(apart) > 1 else ""
            print(
                f"| {name} | {' '.join(f'{s:.4f}' for s in scores)} | {statistics.mean(scores):.4f} "
                f"| {statistics.mean(apart):+.2f}{spread} points |"
            )


def _key(row: dict[str, Any], seed: int, epochs: int) -> str:
    return json.dumps([row, seed, epochs], sort_keys=True)


if __name__ == "__main__":
    main()
