"""Six methods on the digits that come with scikit-learn, with their defaults: seconds and what was learned, 3 seeds.

    python benchmarks/digits.py [--seeds 3] [--shown] [--method examples/vicreg.py ...]

--method measures others beside the six, from outside the package too; their rows bear the file's name.
Each run is `kontrast train digits --method M --seed S` and nothing more; the scores are those of its own evaluation, on
the 360 digits it never saw. Musts: every method above raw pixels in k-means and with one label per class, within 90 s
on two idle cores, no false alarm. A file in results/ keeps one line a run; an interrupted program goes on.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import kept
import kontrast

METHODS = ("simclr", "moco", "moco-v2", "swav", "byol", "barlow-twins")
SCORES = ("kmeans_accuracy", "few_label_1", "knn_top1", "linear_top1")


def measured(method: str, seed: int) -> dict[str, object]:
    """One run: seconds of the whole call, and its scores beside raw pixels and random weights."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = kontrast.train("digits", method=method, seed=seed, out=f"{folder}/run", say=lambda _: None)
    seconds = time.perf_counter() - began
    columns = ("learned", "random_weights", "raw_input")
    scores = {name: {score: run.summary["evaluation"][name][score] for score in SCORES} for name in columns}
    return {
        "method": run.summary["method"],
        "seed": seed,
        "seconds": round(seconds, 1),
        "verdict": run.summary["verdict"],
        **scores,
    }


def told(rows: list[dict]) -> None:
    """A line per method: each seed's score beside raw pixels, the longest run, and whether all were called healthy."""
    print("| method | k-means of each seed (raw pixels) | one label (raw pixels) | longest run | verdicts |")
    print("|---|---|---|---|---|")
    for method in dict.fromkeys((*METHODS, *(row["method"] for row in rows))):
        mine = sorted((row for row in rows if row["method"] == method), key=lambda row: row["seed"])
        if not mine:
            continue
        cells = []
        for score in SCORES[:2]:
            learned, raw = ([row[column][score] for row in mine] for column in ("learned", "raw_input"))
            met = "" if all(a > b for a, b in zip(learned, raw)) else " **below**"
            cells.append(f"{' '.join(f'{100 * x:.1f}' for x in learned)} ({100 * statistics.mean(raw):.1f}){met}")
        healthy = sum(row["verdict"].startswith("healthy") for row in mine)
        longest = max(row["seconds"] for row in mine)
        print(f"| {method} | {' | '.join(cells)} | {longest:.0f} s | {healthy} of {len(mine)} healthy |")


def main() -> None:
    """Run what is missing, then say what came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--method", nargs="+", default=METHODS, help="a name, or FILE.py")
    parser.add_argument("--shown", action="store_true", help="only say what was measured so far")
    said = parser.parse_args()
    rows = kept.rows("digits")
    done = {(row["method"], row["seed"]) for row in rows}
    for seed in range(0 if said.shown else said.seeds):
        for method in said.method:
            if (Path(method).stem.replace("_", "-"), seed) not in done:
                rows.append(measured(method, seed))
                kept.add("digits", rows[-1])
    told(rows)


if __name__ == "__main__":
    main()
