"""Results of benchmarks: a JSON object a line, so that an interrupted program goes on with what is missing.

Each row ends with where it comes from: `processor` (its model), `commit` (of the code that ran; `-changed` behind it
where files other than results differed from it), `date` (ISO, UTC), `torch`, `threads` and `cores`. Programs find a row
by what was asked and never by these. Rows made before 30 November 2026 were stamped from the history: the commit that
brought them, its date, and the processor that the notes of the time name, or "unknown".
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def processor() -> str:
    """The model that the operating system names, or the architecture where it names none."""
    if (info := Path("/proc/cpuinfo")).is_file():
        lines = (line for line in info.read_text().splitlines() if line.startswith("model name"))
        return next(lines, platform.machine()).rpartition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """The short hash of the code, "-changed" behind it where that code is not what runs; "unknown" outside git."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", RESULTS.parent.parent, *words], capture_output=True, text=True, check=False)

    try:
        found = git("rev-parse", "--short=7", "HEAD")
    except FileNotFoundError:  # no git on this machine
        return "unknown"
    if found.returncode:
        return "unknown"
    changed = git("diff", "--quiet", "HEAD", "--", ".", ":(exclude)benchmarks/results").returncode
    return found.stdout.strip() + ("-changed" if changed else "")


COMMIT = commit()  # once, at the start: what is loaded then is what runs, whatever is committed meanwhile


def stamped(row: dict[str, Any]) -> dict[str, Any]:
    """The row with where it comes from."""
    import torch

    where = {"processor": processor(), "commit": COMMIT, "date": datetime.now(UTC).date().isoformat()}
    return row | where | {"torch": version("torch"), "threads": torch.get_num_threads(), "cores": os.cpu_count()}


def rows(name: str) -> list[dict[str, Any]]:
    """What was measured so far under this name."""
    path = RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def add(name: str, row: dict[str, Any]) -> None:
    """Print a result and append it, with where it comes from."""
    RESULTS.mkdir(exist_ok=True)
    line = json.dumps(stamped(row))
    print(line, flush=True)
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(line + "\n")
