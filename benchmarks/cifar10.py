"""Tables on CIFAR-10 with the small encoder, one thing changed at a time; kNN on the 10,000 test pictures.

    python benchmarks/cifar10.py negatives          what each source of negatives brings to SimCLR
    python benchmarks/cifar10.py similarities       ... and each similarity
    python benchmarks/cifar10.py views              may `fast` views be the default? (5 seeds: --seeds 5)
    python benchmarks/cifar10.py methods            six methods, each beside lightly's twin of it (`twins.py`)
    python benchmarks/cifar10.py methods --optimizer muon   the same, with orthogonalised momentum
    python benchmarks/cifar10.py longer --epochs 6  the six again at the rates found for three epochs, in fp32
    python benchmarks/cifar10.py TABLE --shown      the table of what was measured so far, as Markdown

Every run: 3 epochs (or `--epochs`), batch 512, the same data order and views for a seed, 3 seeds; rows of a table are
compared with its first row, paired by seed, and a method with its twin; the table of methods begins with random weights
and raw pixels.
Methods and twins get the same three learning rates; for each the best is chosen by kNN on 5,000 pictures held out of
the training set (seed 0, a run of its own, as long as the others), then 3 seeds run on all of it. All draw `fast`
views and multiply in bf16, whatever the machine, because a table must not mix two engines; those of views and of more
epochs are in fp32. A line a run goes to results/, an interrupted program goes on where it stopped, a run that several
tables need is made once.
Two to six minutes a run on one core with bf16 in hardware, 10 to 16 in fp32 without AVX-512.
Needs KONTRAST_DATA/cifar10.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

import kept
import kontrast
from cifar import knn, labelled, linear
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.open import image_encoder
from kontrast.modalities.images.model import Model
from kontrast.positives.images.papers import recipe
from kontrast.preprocessing import Preprocessing

COMMON = {
    "method": "simclr",
    "encoder": "small",
    "batch_size": 512,
    "views": "simclr-cifar",
    "view_mode": "fast",
    "precision": "bf16",
}
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
    "views": {mode: {"view_mode": mode, "precision": "fp32"} for mode in ("exact", "fast")},
}
UNTRAINED = {"random weights": {"untrained": "small"}, "raw pixels": {"untrained": "pixels"}}
METHODS = ("simclr", "moco", "moco-v2", "swav", "byol", "barlow-twins")
RATES = {"adamw": (1e-3, 2e-3, 5e-3), "muon": (2e-3, 5e-3, 1e-2)}
HELD_OUT = 5_000


def measured(row: dict[str, Any], seed: int, epochs: int, train: Any, test: Any) -> dict[str, Any]:
    """One run and its accuracy. `twin` in a row means lightly's, `held_out` a test on a part of the training set."""
    began = time.perf_counter()
    if "untrained" in row:
        model = untrained(row["untrained"], seed)
        scores = {"knn": knn(model, train, test), "linear": linear(model, train, test)}
        return {"row": row, "seed": seed, "epochs": epochs, **scores, "seconds": round(time.perf_counter() - began, 1)}
    said = COMMON | row | {"seed": seed, "epochs": epochs}
    twin, held_out = said.pop("twin", False), said.pop("held_out", False)
    if held_out:
        rest, out = train.held_out(HELD_OUT, 0)
        train, test = train.part(rest), train.part(out)
    with tempfile.TemporaryDirectory() as folder, twins(said["method"]) if twin else nullcontext():
        run = kontrast.train(train, **said, validate="none", out=f"{folder}/run", say=lambda _: None)
        if run.model is None:
            raise SystemExit(f"{said}: ended as {run.ending}")
        rows = [json.loads(line) for line in (Path(folder) / "run" / "log.jsonl").read_text().splitlines()]
        return {
            **{"row": row, "seed": seed, "epochs": epochs, "knn": knn(run.model, train, test)},
            **({} if held_out or "method" not in row else {"linear": linear(run.model, train, test)}),
            **{"loss": rows[-1]["loss"], "guessing": rows[-1]["guessing"], "verdict": run.summary["verdict"]},
            **{"signs": {name: rows[-1][name] for name in ("clamp_rate",) if name in rows[-1]}},
            "seconds": round(time.perf_counter() - began, 1),
        }


def untrained(what: str, seed: int) -> Model:
    """What every method must be better than: the encoder as it begins, or the pixels themselves."""
    views = recipe("simclr-cifar", 32, 3)
    look = Preprocessing(32, views.mean, views.std)
    if what == "pixels":
        return Model(ImageEncoder(nn.Flatten(), 3 * 32 * 32, {"channels": 3}), look)
    return Model(image_encoder(what, channels=3, image_size=32, seed=seed), look)


def twins(method: str) -> Any:
    """Import lightly only where it is needed."""
    from twins import instead_of

    return instead_of(method)


def found(row: dict[str, Any], seed: int, epochs: int) -> dict[str, Any] | None:
    """The result of a run, if it was made; what is not trained has no epochs."""
    of_row = (r for r in kept.rows("cifar10") if (r["row"], r["seed"]) == (row, seed))
    return next((r for r in of_row if r["epochs"] == epochs or "untrained" in row), None)


def made(row: dict[str, Any], seed: int, epochs: int) -> dict[str, Any]:
    """The result of a run, made now if it was not before."""
    if (before := found(row, seed, epochs)) is None:
        before = measured(row, seed, epochs, labelled("train"), labelled("test"))
        kept.add("cifar10", before)
    return before


def best_rate(row: dict[str, Any], epochs: int, shown: bool) -> float | None:
    """The learning rate with the best held-out kNN; None where one of them was not measured."""
    rates = RATES[row.get("optimizer", "adamw")]
    results = [(found if shown else made)(row | {"lr": rate, "held_out": True}, 0, epochs) for rate in rates]
    return None if None in results else max(zip(results, rates), key=lambda pair: pair[0]["knn"])[1]


def methods_table(optimizer: str, epochs: int, shown: bool) -> dict[str, dict[str, Any]]:
    """Rows of the table of methods: each method and its twin, both with their best learning rate."""
    rows: dict[str, dict[str, Any]] = dict(UNTRAINED)
    for method in METHODS:
        for twin in ({}, {"twin": True}):
            row = {"method": method, **twin, **({} if optimizer == "adamw" else {"optimizer": optimizer})}
            if (rate := best_rate(row, epochs, shown)) is not None:
                rows[f"{method}{', lightly' if twin else ''} (lr {rate:g})"] = row | {"lr": rate}
    return rows


def longer_table() -> dict[str, dict[str, Any]]:
    """The six methods at the rates that were chosen after three epochs, without their twins."""
    rows = {name: row for name, row in methods_table("adamw", 3, True).items() if not row.get("twin")}
    return {name: row if "untrained" in row else row | {"precision": "fp32"} for name, row in rows.items()}


def main() -> None:
    """Run what is missing, seed by seed, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=[*TABLES, "methods", "longer"], nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--optimizer", choices=RATES, default="adamw", help="of the table of methods")
    parser.add_argument("--shown", action="store_true", help="print only, run nothing")
    said = parser.parse_args()
    for table in said.table:
        methods = longer_table if table == "longer" else partial(methods_table, said.optimizer, said.epochs, said.shown)
        rows = TABLES.get(table) or methods()
        for seed in () if said.shown else range(said.seeds):
            for row in rows.values():
                if row != UNTRAINED["raw pixels"] or seed == 0:  # they have no seed
                    made(row, seed, said.epochs)
        show(table, rows, said.seeds, said.epochs)


def show(table: str, rows: dict[str, dict[str, Any]], seeds: int, epochs: int) -> None:
    """The table as Markdown, from what was measured."""
    print(f"\n| {table} | kNN top-1 of each seed | mean | linear | beside, paired (spread) |\n|---|---|---|---|---|")
    first = next(iter(rows.values()), {})
    for name, row in rows.items():
        own_twin = (r for r in rows.values() if r.get("twin") and r["method"] == row.get("method"))
        peer = first if row.get("twin") else next(own_twin, first)
        both = [(found(row, s, epochs), found(peer, s, epochs)) for s in range(seeds)]
        pairs = [(mine, other) for mine, other in both if mine and other]
        if not pairs:
            continue
        scores, apart = [m["knn"] for m, _ in pairs], [100 * (m["knn"] - o["knn"]) for m, o in pairs]
        probe = [m["linear"] for m, _ in pairs if "linear" in m]
        spread = f" ({statistics.stdev(apart):.2f})" if len(apart) > 1 else ""
        print(
            f"| {name} | {' '.join(f'{s:.4f}' for s in scores)} | {statistics.mean(scores):.4f} "
            f"| {f'{statistics.mean(probe):.4f}' if probe else ''} | {statistics.mean(apart):+.2f}{spread} points |"
        )


if __name__ == "__main__":
    main()
