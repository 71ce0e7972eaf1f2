"""Results of benchmarks: a JSON object a line, so that an interrupted program goes on with what is missing."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def rows(name: str) -> list[dict[str, Any]]:
    """What was measured so far under this name."""
    path = RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def add(name: str, row: dict[str, Any]) -> None:
    """Print a result and append it, with the machine that it came from."""
    import torch

    RESULTS.mkdir(exist_ok=True)
    row = row | {"torch": version("torch"), "threads": torch.get_num_threads(), "cores": os.cpu_count()}
    print(json.dumps(row), flush=True)
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
