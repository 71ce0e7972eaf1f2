"""What the watch says of runs that are broken on purpose, and of runs that are not.

    python benchmarks/alarms.py [--only faults|healthy] [--seeds 3] [--shown]

faults    five planted faults, 286 steps on digits, 3 seeds. Musts: BYOL without stop-gradient and SwAV without Sinkhorn
          are named while they run; BYOL without predictor, Barlow Twins with no weight off the diagonal and a queue of
          one key are told by their own signs. Each stands beside the method's healthy runs.
healthy   six image methods, 3 seeds, digits and 200 pictures of CIFAR-10, 100 steps. Must: no alarm, at any look.

Each run is `kontrast train` as it stands; a fault is a few lines set into its method. A run's log is read again by the
watch of today, so the table always speaks of the present code. An interrupted program goes on. Needs KONTRAST_DATA.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import nn

import kept
import kontrast
from cifar import DATA
from kontrast import methods
from kontrast.training.watch import Watch

METHODS = ("simclr", "moco", "moco-v2", "swav", "byol", "barlow-twins")
SETS: dict[str, tuple[Any, int, int]] = {  # name -> data, batch, epochs of about 100 steps in all
    "digits": ("digits", 64, 5),
    "cifar10": (DATA / "sample", 32, 17),
}
FAULTY_EPOCHS = 13  # of 22 steps on digits
ROW = ("step", "loss", "guessing", "retrieval_at_1", "retrieval_chance", "spread", "healthy_spread", "effective_rank")
SIGNS = ("encoder_spread", "encoder_effective_rank", "predictor_gain", "prototypes_in_use", "assignment_entropy",
         "queue_fill", "queue_rank", "on_diagonal", "off_diagonal")  # fmt: skip


def no_stop_gradient(method: Any) -> None:
    method.twin.forward = lambda view: method.projector(method.encoder(view))


def no_predictor(method: Any) -> None:
    method.predictor = nn.Identity()


def no_sinkhorn(method: Any) -> None:
    method._codes = lambda score_BK, a: (score_BK / method.config.epsilon).softmax(-1)


def no_decorrelation(method: Any) -> None:
    method.config = replace(method.config, off_diagonal_weight=0.0)


def one_key(method: Any) -> None:
    """The first key that ever came fills the queue for good."""
    first, push = [], method.negatives.push

    def pushed(key_BD: Any, name_B: Any, step: int) -> None:
        first.append(key_BD[:1].clone()) if not first else None
        push(first[0].expand_as(key_BD), name_B, step)

    method.negatives.push = pushed


# method, how to break it, what it may be called, and the sign that shows it
FAULTS: dict[str, tuple[str, Callable[[Any], None], tuple[str, ...], str]] = {
    "no stop-gradient": ("byol", no_stop_gradient, ("collapsed",), "spread"),
    "no Sinkhorn": ("swav", no_sinkhorn, ("collapsed", "one cluster"), "prototypes_in_use"),
    "no predictor": ("byol", no_predictor, ("collapsed", "no predictor"), "predictor_gain"),
    "no decorrelation": ("barlow-twins", no_decorrelation, ("collapsed", "redundant"), "off_diagonal"),
    "a queue of one key": ("moco", one_key, ("poor queue",), "queue_rank"),
}


@contextmanager
def planted(fault: Callable[[Any], None]) -> Iterator[None]:
    """Inside, every method that is built has the fault."""
    own = methods.load

    def load(name: str) -> Any:
        made_by, config = own(name)

        def broken(*given: Any, **named: Any) -> Any:
            method = made_by(*given, **named)
            fault(method)
            return method

        return broken, config

    methods.load = load  # type: ignore[assignment]
    try:
        yield
    finally:
        methods.load = own


def watched(method: str, fault: str, data: str, seed: int) -> dict[str, Any]:
    """One run: its log, as far as the watch reads it."""
    where, batch, epochs = SETS[data]
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, planted(FAULTS[fault][1] if fault else lambda _: None):
        run = kontrast.train(
            str(where), method=method, seed=seed, out=f"{folder}/run", validate="none", batch_size=batch,
            epochs=FAULTY_EPOCHS if fault else epochs, say=lambda _: None, show=lambda row, _: rows.append(row),
        )  # fmt: skip
    if run.exit_code > 1:
        raise SystemExit(run.exit_code)  # interrupted: half a run is none
    log = [{name: float(f"{row[name]:.5g}") for name in (*ROW, *SIGNS) if name in row} for row in rows if "loss" in row]
    return {"method": method, "fault": fault, "data": data, "seed": seed, "log": log}


def alarms(run: dict[str, Any]) -> list[tuple[int, str]]:
    """What the watch says while it reads the log, and at its end: step and sentence, "healthy" left out."""
    log, said = run["log"], []
    watch = Watch(int(log[-1]["step"]))
    for row in log:
        watch.note(row)
        if told := watch.warning(int(row["step"])):
            said.append((int(row["step"]), told))
    end = watch.verdict(int(log[-1]["step"]))
    return said if end.startswith("healthy") or said else [(int(log[-1]["step"]), end)]


def told(runs: list[dict[str, Any]]) -> None:
    """The two tables: what was planted and how it was called, and what was said of healthy runs."""
    sound = {
        (method, data): [run for run in runs if (run["method"], run["fault"], run["data"]) == (method, "", data)]
        for data in SETS
        for method in METHODS
    }
    print("In brackets: the method done right, over its shorter runs.")
    print("| fault | method | named at step | as | share of the healthy spread | sign at the first step, at the last |")
    print("|---|---|---|---|---|---|")
    for fault, (method, _, names, sign) in FAULTS.items():
        broken, right = [run for run in runs if run["fault"] == fault], sound[method, "digits"]
        if not broken or not right:
            continue
        said = [[(step, words) for step, words in alarms(run) if words.startswith(names)] for run in broken]
        at = ", ".join(str(each[0][0]) if each else "**never**" for each in said)
        called = " or ".join(sorted({words.partition(":")[0] for each in said for _, words in each}))
        share, share_right, last, last_right = (mean(of, word) for word in ("share", sign) for of in (broken, right))
        first = mean(broken, sign, look=0)
        spread = f"{share:.2f} ({share_right:.2f})"
        print(
            f"| {fault} | {method} | {at} | {called} | {spread} | {sign} {first:.3g}, {last:.3g} ({last_right:.3g}) |"
        )
    print("\n| healthy run | seeds | alarms | least spread of healthy, after step 5 | retrieval at the end |")
    print("|---|---|---|---|---|")
    for (method, data), right in sound.items():
        if right:
            said = [f"seed {run['seed']}, step {step}: {words}" for run in right for step, words in alarms(run)]
            least = min(number(row, "share") for run in right for row in run["log"] if row["step"] > 5)
            found = mean(right, "retrieval_at_1")
            print(f"| {method}, {data} | {len(right)} | {'; '.join(said) or 'none'} | {least:.2f} | {found:.0%} |")


def number(row: dict[str, float], name: str) -> float:
    """One number of a log row; "share" is its spread as a share of the healthy one."""
    return row["spread"] / row["healthy_spread"] if name == "share" else row[name]


def mean(runs: list[dict[str, Any]], name: str, look: int = -1) -> float:
    """Of a number over runs, at one look."""
    return statistics.mean(number(run["log"][look], name) for run in runs)


def main() -> None:
    """Run what is missing, then say what came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["faults", "healthy"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shown", action="store_true", help="only say what was measured so far")
    said = parser.parse_args()
    runs = kept.rows("alarms")
    done = {(run["method"], run["fault"], run["data"], run["seed"]) for run in runs}
    wanted = []
    for seed in range(0 if said.shown else said.seeds):
        if said.only != "healthy":
            wanted += [(method, fault, "digits", seed) for fault, (method, *_) in FAULTS.items()]
        if said.only != "faults":
            wanted += [(method, "", data, seed) for data in SETS for method in METHODS]
    for case in wanted:
        if case not in done:
            runs.append(watched(*case))
            kept.add("alarms", runs[-1])
    told(runs)


if __name__ == "__main__":
    main()
