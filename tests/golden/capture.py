"""Twenty steps of every method in float64 on its tiny encoder, and the file that keeps how they went.

    python tests/golden/capture.py

writes golden.json anew, beside this file. Do it only when a method was meant to change, and say in LOG.md why: these
numbers are what holds a constant that no other test knows.
"""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from kontrast.methods.method import Progress
from kontrast.training.loop import State, one_step
from kontrast.training.optimizers import optimizer
from kontrast.verify import tiny_methods

FILE = Path(__file__).with_name("golden.json")
RATE = 0.01  # of SGD. Weights that are 1e-13 off at first end at most 2e-11 off; at 0.05, 3e-10
GRID = 64  # the first weights are rounded to multiples of 1/64


def steps(name: str) -> dict[str, Any]:
    """The loss of each step, and of each tensor at the end (weights, twin, queue, norms) its norm.

    The first weights are drawn in float32, in which torch's normal numbers differ between processors in their last bits
    (AVX2 or not: losses 1e-7 apart, BYOL's 5e-3 after twenty steps). Rounded to a grid they are the same.
    The steps are the loop's own. SGD, because Adam divides a gradient by its own size: one that is zero but for
    rounding would be stepped along like any other, on each processor elsewhere.
    """
    method = tiny_methods.method(name)
    for tensor in method.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim:  # a scalar, such as CLIP's temperature, is a constant
            tensor.copy_((tensor * GRID).round() / GRID)
    groups = method.parameter_groups()
    sgd = optimizer(groups, "sgd", lr=RATE, momentum=0.9, weight_decay=1e-3)
    losses, state = [], State()
    for step in range(tiny_methods.STEPS):
        batch = tiny_methods.batch(name, step)
        outcome = one_step(method, batch, sgd, groups, state, "fp32", torch.device("cpu"))
        method.after_step(outcome, Progress(step + 1, tiny_methods.STEPS))
        losses.append(float(outcome.loss.detach()))
    norms = {key: float(tensor.double().norm()) for key, tensor in sorted(method.state_dict().items())}
    return {"losses": losses, "norms": norms}


def git(*words: str) -> str:
    """What git says about src/ alone: golden numbers are those of the source, whatever changes beside it."""
    source = FILE.parents[2] / "src"
    command = ["git", "-C", source, *words, "--", "."]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Capture all and say what was written."""
    commit, changed = git("log", "-1", "--format=%h", "--abbrev=12"), git("status", "--porcelain")
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit + (" and changes" if changed else ""),
        "torch": torch.__version__,
        "processor": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
    }
    methods = {name: steps(name) for name in tiny_methods.NAMES}
    FILE.write_text(json.dumps({"about": about, "methods": methods}, indent=1) + "\n")
    print(f"{FILE.name}: {len(methods)} methods, {about}")


if __name__ == "__main__":
    main()
