"""The losses against their peers: time forward + backward, and peak extra memory, beside the physical floor.

    python benchmarks/losses.py                     every case; needs `pip install kontrast[peers]`
    python benchmarks/losses.py --only clip --json benchmarks.json

One process, two threads, ours and the peers in turn (A/B/A/B); values and gradients are compared before any timing.
The floor is the multiply-adds that the form needs, at the rate of a float32 matrix product timed in the same run. Peak
memory is what a fresh process of its own grows by while it runs the loss once, inputs not counted, gradients counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import kept
from kontrast import keyed, losses

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """One size. flops: multiply-adds times two of our form; scores: name -> loss, ours first."""

    rows: int
    width: int
    flops: float
    scores: dict[str, Callable[[], Loss]]
    repeats: int
    must: dict[str, float]  # peer -> at least this many times faster
    memory: dict[str, float]  # peer -> at most this share of its extra memory


def ours_nt_xent(a: Tensor, b: Tensor) -> Tensor:
    return losses.nt_xent(torch.stack([a, b]), temperature=0.1)


def dense_nt_xent(a: Tensor, b: Tensor) -> Tensor:
    unit = F.normalize(torch.cat([a, b]), dim=1)
    logits = (unit @ unit.T / 0.1).fill_diagonal_(-torch.inf)
    return F.cross_entropy(logits, torch.arange(2 * len(a)).roll(len(a)))


def lightly_nt_xent() -> Loss:
    from lightly.loss import NTXentLoss

    return NTXentLoss(temperature=0.1)


def ours_clip(a: Tensor, b: Tensor) -> Tensor:
    return losses.clip(a, b, temperature=0.07)


def cold_clip(a: Tensor, b: Tensor) -> Tensor:
    return losses.clip(a, b, temperature=0.01)


def dense_clip(a: Tensor, b: Tensor, temperature: float = 0.07) -> Tensor:
    logits = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    place = torch.arange(len(a))
    return (F.cross_entropy(logits, place) + F.cross_entropy(logits.T, place)) / 2


def dense_cold_clip(a: Tensor, b: Tensor) -> Tensor:
    return dense_clip(a, b, 0.01)


def open_clip_loss(temperature: float = 0.07) -> Loss:
    from open_clip.loss import ClipLoss

    clip = ClipLoss()
    return lambda a, b: clip(F.normalize(a, dim=1), F.normalize(b, dim=1), 1 / temperature)


def ours_barlow(a: Tensor, b: Tensor) -> Tensor:
    return losses.barlow_twins(a, b, off_diagonal_weight=0.005)


def lightly_barlow() -> Loss:
    from lightly.loss import BarlowTwinsLoss

    return BarlowTwinsLoss(lambda_param=0.005)


def nt_xent_case(rows: int, width: int, peers: tuple[str, ...], repeats: int, **bounds: dict[str, float]) -> Case:
    every: dict[str, Callable[[], Loss]] = {
        "kontrast": lambda: ours_nt_xent,
        "dense": lambda: dense_nt_xent,
        "compiled": lambda: torch.compile(dense_nt_xent),
        "lightly": lightly_nt_xent,
    }
    scores = {name: every[name] for name in ("kontrast", *peers)}
    return Case(
        rows, width, 4.0 * (2 * rows) ** 2 * width, scores, repeats, bounds.get("must", {}), bounds.get("memory", {})
    )


def clip_case(
    rows: int, width: int, peers: tuple[str, ...], repeats: int, cold: bool = False, **bounds: dict[str, float]
) -> Case:
    every: dict[str, Callable[[], Loss]] = {
        "kontrast": lambda: cold_clip if cold else ours_clip,
        "dense": lambda: dense_cold_clip if cold else dense_clip,
        "compiled": lambda: torch.compile(dense_cold_clip if cold else dense_clip),
        "open_clip": lambda: open_clip_loss(0.01 if cold else 0.07),
    }
    scores = {name: every[name] for name in ("kontrast", *peers)}
    return Case(rows, width, 8.0 * rows**2 * width, scores, repeats, bounds.get("must", {}), bounds.get("memory", {}))


def small(rows: int) -> dict[str, Case]:
    """Here the dense form may be 10 % faster."""
    return {
        f"nt_xent-{rows}": nt_xent_case(rows, 128, ("dense", "lightly"), 400, must={"dense": 1 / 1.1}),
        f"clip-{rows}": clip_case(rows, 256, ("dense", "open_clip"), 400, must={"dense": 1 / 1.1}),
    }


CASES = {
    **small(64),
    **small(128),
    **small(256),
    **small(512),
    "nt_xent-1024": nt_xent_case(1024, 128, ("dense", "compiled", "lightly"), 15, must={"dense": 1.0}),
    "clip-1024": clip_case(1024, 256, ("dense", "compiled", "open_clip"), 15, must={"dense": 1.0}),
    "clip-cold-1024": clip_case(1024, 256, ("dense", "open_clip"), 15, cold=True, must={"dense": 1.0}),
    "nt_xent-4096": nt_xent_case(4096, 128, ("dense", "lightly"), 5, must={"dense": 1.0}),
    "clip-4096": clip_case(4096, 512, ("dense", "open_clip"), 5, must={"dense": 1.0}),
    "nt_xent-8192": nt_xent_case(8192, 128, ("lightly",), 5, must={"lightly": 7.0}, memory={"lightly": 1 / 20}),
    "clip-8192": clip_case(
        8192, 256, ("dense", "open_clip"), 5, must={"open_clip": 2.0, "dense": 1.0}, memory={"open_clip": 1 / 15}
    ),
    "clip-cold-8192": clip_case(8192, 256, ("dense", "open_clip"), 5, cold=True, must={"dense": 1.0}),
    "barlow-256x8192": Case(
        256,
        8192,
        8.0 * 256**2 * 8192,
        {"kontrast": lambda: ours_barlow, "lightly": lightly_barlow},
        7,
        {"lightly": 10.0},
        {},
    ),
    "clip-32768": clip_case(32768, 512, (), 1),
}


def pair(case: Case) -> tuple[Tensor, Tensor]:
    made = [torch.randn(case.rows, case.width, generator=keyed.generator("benchmark", n)) for n in range(2)]
    return made[0].requires_grad_(), made[1].requires_grad_()


def step(loss: Loss, a: Tensor, b: Tensor) -> float:
    """Seconds of one forward and backward."""
    a.grad = b.grad = None
    start = time.perf_counter()
    loss(a, b).backward()
    return time.perf_counter() - start


def sgemm() -> float:
    """FLOP/s of a float32 product, the best of five."""
    a = torch.randn(3072, 3072, generator=keyed.generator("sgemm"))
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * 3072.0**3 / best


def memory(name: str, score: str) -> float:
    """Extra megabytes at the peak, from a fresh process."""
    command = [sys.executable, __file__, "--memory", name, score]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def measure_memory(name: str, score: str) -> float:
    def status(field: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))

    case = CASES[name]
    loss = case.scores[score]()
    small_a, small_b = pair(Case(64, 64, 0, {}, 0, {}, {}))
    step(loss, small_a, small_b)
    a, b = pair(case)
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    step(loss, a, b)
    return status("VmHWM") - before


def compared(case: Case, scores: dict[str, Loss], a: Tensor, b: Tensor) -> None:
    """Stop if a peer's value or gradient is not ours."""
    results = {}
    for name, loss in scores.items():
        a.grad = b.grad = None
        value = loss(a, b)
        value.backward()
        assert a.grad is not None
        results[name] = (float(value.detach()), a.grad.clone())
    ours_value, ours_gradient = results["kontrast"]
    for name, (value, gradient) in results.items():
        off = float((gradient - ours_gradient).abs().max() / ours_gradient.abs().max())
        if abs(value - ours_value) > 1e-4 * max(1.0, abs(ours_value)) or off > 1e-3:
            raise SystemExit(
                f"{name} disagrees: {value} against {ours_value}, gradient off by {off:.1e} of the largest entry"
            )


def run(name: str, case: Case, with_memory: bool) -> dict[str, object]:
    a, b = pair(case)
    scores = {score: build() for score, build in case.scores.items()}
    compared(case, scores, a, b)
    rate = sgemm()
    seconds: dict[str, list[float]] = {score: [] for score in scores}
    for _ in range(case.repeats):
        for score, loss in scores.items():
            seconds[score].append(step(loss, a, b))
    ours = statistics.median(seconds["kontrast"])
    floor = case.flops / rate
    row: dict[str, object] = {
        "case": name,
        "sgemm_gflops": rate / 1e9,
        "floor_s": floor,
        "share_of_floor": floor / ours,
    }
    print(f"\n{name}: sgemm {rate / 1e9:.0f} GFLOP/s, floor {floor * 1e3:.2f} ms, we reach {floor / ours:.0%} of it")
    extra = {score: memory(name, score) for score in scores} if with_memory else {}
    for score, times in seconds.items():
        median, spread = statistics.median(times), (max(times) - min(times))
        ratio = statistics.median(other / mine for other, mine in zip(times, seconds["kontrast"]))
        row[score] = {"median_s": median, "spread_s": spread, "ratio": ratio, "extra_mb": extra.get(score)}
        said = f"  {score:10s} {median * 1e3:10.3f} ms (best {min(times) * 1e3:.3f})   {ratio:5.2f} x ours"
        if score in extra:
            said += f"   peak extra {extra[score]:7.1f} MB, ours is 1/{extra[score] / max(extra['kontrast'], 0.1):.1f}"
        if score in case.must:
            said += f"   must {case.must[score]:.3g} x: {'met' if ratio >= case.must[score] else 'MISSED'}"
        if score in case.memory and score in extra:
            met = extra["kontrast"] <= case.memory[score] * extra[score]
            said += f", 1/{1 / case.memory[score]:.0f} of the memory: {'met' if met else 'MISSED'}"
        print(said, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", nargs=2, metavar=("CASE", "SCORE"), help=argparse.SUPPRESS)
    said = parser.parse_args()
    torch.set_num_threads(2)
    if said.memory:
        print(measure_memory(*said.memory))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, float32")
    large = lambda case: case.rows >= 1024 or case.width >= 4096  # noqa: E731
    rows = [run(n, c, large(c) and not said.no_memory) for n, c in CASES.items() if said.only in n]
    if said.json:
        said.json.write_text(json.dumps([kept.stamped(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
