"""Pictures in a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from kontrast.report.sections import _image, data_uri


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_keep_their_pixels(dtype: torch.dtype, channels: int) -> None:
    eight = torch.arange(channels * 20, dtype=torch.uint8).reshape(channels, 4, 5) * 4
    pixels = {
        torch.uint8: eight,
        torch.uint16: (eight.to(torch.int32) * 257).to(torch.uint16),
        torch.float32: eight.float() / 255,
    }[dtype]
    image = _image(pixels)
    assert image.size == (5, 4)
    value = image.getpixel((3, 2))
    assert value == (tuple(eight[:, 2, 3].tolist()) if channels == 3 else int(eight[0, 2, 3]))
    assert re.match(r"data:image/png;base64,[A-Za-z0-9+/=]+$", data_uri(image))


def test_a_photograph_is_small(tmp_path: Path) -> None:
    assert data_uri(Image.effect_noise((96, 96), 50).convert("RGB")).startswith("data:image/jpeg")
