"""What `--same folder` brings: pictures of one group as positives, beside the same run without groups.

    python benchmarks/same_group.py [--seeds 3] [--only sample|tenth] [--shown]

sample    cifar10/sample: 200 pictures in 10 class folders, 60 epochs of batch 64. Every folder is a group.
tenth     the CIFAR-10 training set, 3 epochs of batch 512. A tenth of the pictures, drawn by the seed, bring their
          class as group; each of the others is a group of its own.

The test is kNN (k = min(200, bank / 5), T = 0.1) on the 10,000 test pictures with the training pictures as bank, the
small encoder, SimCLR's CIFAR views. One line a run goes to results/, and an interrupted program goes on.
Groups are labels: these are supervised runs, and the gain is what the labels bring. Needs KONTRAST_DATA/cifar10.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace

import numpy as np

import kept
import kontrast
from cifar import DATA, knn, labelled
from kontrast import keyed
from kontrast.data.open import Source, open_source

RUNS = {"sample": {"epochs": 60, "batch_size": 64}, "tenth": {"epochs": 3, "batch_size": 512}}
SHARE = 0.1


def with_groups(source: Source, seed: int) -> Source:
    """The classes of a tenth of the samples as groups, and every other sample a group of its own."""
    named = keyed.uniform("named", seed, np.arange(len(source))) < SHARE
    assert source.labels is not None
    return replace(source, groups=np.where(named, source.labels, 10 + np.arange(len(source))))


def trained_on(name: str, grouped: bool, seed: int, limit: int) -> Source:
    """The pictures of one setting, with their groups or without."""
    if name == "sample":
        return open_source(DATA / "sample", labels="folder", same="folder" if grouped else None)
    source = labelled("train")
    source = source.part(source.ids[:limit], source.name)
    return with_groups(source, seed) if grouped else source


def measured(name: str, grouped: bool, seed: int, limit: int, epochs: int | None) -> dict[str, object]:
    """One run and its accuracy."""
    source, test = trained_on(name, grouped, seed, limit), labelled("test")
    said = RUNS[name] | ({"epochs": epochs} if epochs else {})
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = kontrast.train(source, method="simclr", out=f"{folder}/run", encoder="small", views="simclr-cifar",
                             seed=seed, validate="none", say=lambda _: None, **said)  # fmt: skip
        assert run.model is not None
        return {"setting": name, "grouped": grouped, "seed": seed, "limit": limit, "epochs": said["epochs"],
                "knn_top1": knn(run.model, source, test),
                "seconds": round(time.perf_counter() - began, 1)}  # fmt: skip


def told(rows: list[dict]) -> None:
    """With and without groups, paired by seed."""
    for name in RUNS:
        by = {(row["grouped"], row["seed"]): 100 * row["knn_top1"] for row in rows if row["setting"] == name}
        both = sorted(seed for grouped, seed in by if grouped and (False, seed) in by)
        if both:
            plain, grouped = ([by[which, seed] for seed in both] for which in (False, True))
            gains = [b - a for a, b in zip(plain, grouped)]
            print(
                f"{name:8} without {statistics.mean(plain):.2f}  --same {statistics.mean(grouped):.2f}  gain "
                f"{statistics.mean(gains):+.2f} points ({min(gains):+.2f} to {max(gains):+.2f}; seeds {both})"
            )


def main() -> None:
    """Run what is missing, then say what came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=50_000, help="pictures of the training set")
    parser.add_argument("--epochs", type=int, help="of every run, for a quick look")
    parser.add_argument("--only", choices=RUNS, help="one setting; else both")
    parser.add_argument("--shown", action="store_true", help="only say what was measured so far")
    said = parser.parse_args()
    rows = kept.rows("same_group")
    done = {(r["setting"], r["grouped"], r["seed"], r["limit"], r["epochs"]) for r in rows}
    for seed in range(0 if said.shown else said.seeds):
        for name in RUNS if said.only is None else (said.only,):
            for grouped in (False, True):
                if (name, grouped, seed, said.limit, said.epochs or RUNS[name]["epochs"]) in done:
                    continue
                rows.append(measured(name, grouped, seed, said.limit, said.epochs))
                kept.add("same_group", rows[-1])
    told([row for row in rows if row["limit"] == said.limit and row["epochs"] == (said.epochs or row["epochs"])])


if __name__ == "__main__":
    main()
