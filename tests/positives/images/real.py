"""Real pictures for the tests of views: CIFAR-10 when it is there, else smooth made-up ones."""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

DATA = Path(os.environ.get("KONTRAST_DATA", Path(__file__).parents[4] / "shared" / "data"))


@cache
def pictures(n: int) -> Tensor:
    """(n, 3, 32, 32) uint8."""
    path = DATA / "cifar10" / "test.parquet"
    if not path.exists():
        return smooth(n, 32, 32)
    from pyarrow import parquet

    rows = parquet.ParquetFile(path).read_row_group(0, columns=["image"])["image"][:n].to_pylist()
    return torch.stack([torch.from_numpy(np.array(Image.open(io.BytesIO(r["bytes"])))).permute(2, 0, 1) for r in rows])


def smooth(n: int, height: int, width: int, channels: int = 3) -> Tensor:
    """(n, channels, height, width) uint8, coarse noise enlarged."""
    coarse = torch.rand(n, channels, 5, 6, generator=torch.Generator().manual_seed(7))
    return (interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1) * 255).round().to(torch.uint8)
