"""The look at pictures as a graph of tensors: the same bytes as Pillow's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast.exchange.onnx import exported, session
from kontrast.exchange.onnx_pixels import Pixels, says_it
from kontrast.preprocessing import Preprocessing

SHAPES = [(75, 100), (210, 40), (64, 64), (32, 32), (33, 90), (200, 100), (201, 100), (20, 10), (66, 33), (1500, 200)]
SHAPES += [(8, 8), (90, 3), (300, 420), (1, 1), (70, 30), (41, 113)]
LEVEL = 1e-4  # of a level of 255: more would be another byte


@pytest.mark.parametrize(
    ("interpolation", "crop"), [("bicubic", 0.875), pytest.param("bilinear", 1.0, marks=pytest.mark.proof)]
)
def test_every_shape_gives_the_bytes_that_were_evaluated(tmp_path: Path, interpolation: str, crop: float) -> None:
    pytest.importorskip("onnxscript", reason="needs kontrast[onnx]")
    look = Preprocessing(32, (0.0,) * 3, (1 / 255,) * 3, interpolation, crop_pct=crop)
    given = {"pixels_BChw": torch.zeros(2, 3, 50, 60, dtype=torch.uint8)}
    exported(tmp_path / "look.onnx", Pixels(look).eval(), given, "seen", {"pixels_BChw": {0: "n", 2: "h", 3: "w"}})
    run = session(tmp_path / "look.onnx")
    for place, shape in enumerate(SHAPES):
        pixels = np.random.default_rng(place).integers(0, 256, (1 + place % 3, 3, *shape), dtype=np.uint8)
        seen = run({"pixels_BChw": pixels})
        torch.testing.assert_close(seen, look(torch.from_numpy(pixels)), rtol=0, atol=LEVEL)


REFUSED = {
    "8-bit": {"white": 4095},
    "cuts the centre": {"resize_mode": "squash"},
    "makes the shorter side fit": {"resize_mode": "longest"},
    "bicubic or bilinear": {"interpolation": "nearest"},
}


@pytest.mark.parametrize(("told", "more"), [("", {}), *REFUSED.items()])
def test_what_the_graph_cannot_do_is_said(told: str, more: dict) -> None:
    assert told in (why := says_it(Preprocessing(32, (0.5,) * 3, (0.2,) * 3, **more))) and bool(why) == bool(told)
