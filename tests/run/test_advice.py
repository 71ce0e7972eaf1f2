"""What is advised is what `train` takes, with reasons; the method follows from the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from kontrast.data.open import open_source
from kontrast.run.advice import advised, method_for
from kontrast.run.plan import planned_on
from kontrast.settings import Settings


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def test_the_method_follows_from_the_data(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(f"this is line {i}" for i in range(20)))
    source = open_source(pictures(20))
    assert method_for(source, 0.0)[0] == "simclr" and method_for(source, 0.3)[0] == "byol"
    assert method_for(open_source(tmp_path / "lines.txt"), 0.0)[0] == "simcse"


def test_numbers_are_those_of_a_run() -> None:
    source = open_source(pictures(400))
    found = advised(source, Settings(), "simclr", "why", torch.device("cpu"))
    plan, _ = planned_on(source, Settings(method="simclr", validate="none", device="cpu"))
    for name in ("batch_size", "epochs", "encoder", "image_size", "lr", "temperature"):
        assert found[name]["value"] == getattr(plan.settings, name) and found[name]["reason"]
    assert found["queue"]["value"] <= 400 and found["prototypes"]["value"] <= 400
    assert "area" in found["crops"]["value"]
    said = advised(source, Settings(batch_size=64), "simclr", "why", torch.device("cpu"))
    assert said["batch_size"] == {"value": 64, "reason": "as you say"}
