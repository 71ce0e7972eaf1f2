"""16-bit colour, whole: Pillow has no such mode and keeps the upper byte of every value.

Told that the bytes of a value come in the other order, it keeps the lower one: two readings make the picture. A grey
PNG with opacity is read as four 8-bit channels, which are the bytes of its two. PNG and TIFF; see `headers.shallow`
for the other formats.

Shapes: C channels, H height, W width.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Values = npt.NDArray[Any]
WHITE = 65535
_OTHER = {"16L": "16B", "16B": "16L", "16N": "16B" if np.little_endian else "16L"}


def png_colour(raw: bytes) -> Values:
    """(3, H, W) of a 16-bit PNG of type 2 or 6, transparent pixels on white."""
    values, picture = _both(raw, "PNG")
    if values.shape[-1] == 4:
        return on_white(values)
    clear = picture.info.get("transparency")  # one colour that stands for nothing
    if isinstance(clear, tuple):
        values[(values == np.array(clear)).all(axis=-1)] = WHITE
    return values.transpose(2, 0, 1)


def png_grey_opacity(raw: bytes) -> Values:
    """(1, H, W) of a 16-bit PNG of type 4, grey and opacity."""
    head = raw[12:24] + b"\x08\x06" + raw[26:29]  # IHDR, as 8-bit RGBA: as many bytes a pixel, in the same order
    picture = Image.open(io.BytesIO(raw[:12] + head + struct.pack(">I", zlib.crc32(head)) + raw[33:]), formats=["PNG"])
    bytes_HW4 = np.array(ImageOps.exif_transpose(picture)).astype(np.uint16)
    values = bytes_HW4[..., ::2] << 8 | bytes_HW4[..., 1::2]
    return _on_white(values[..., :1], values[..., 1:])


def tiff_colour(raw: bytes, *, premultiplied: bool) -> Values:
    """(3, H, W) of a 16-bit TIFF in RGB, with opacity or without, or in CMYK; bands side by side.

    premultiplied: the colours are laid on black already, as far as they are not opaque.
    """
    values, picture = _both(raw, "TIFF")
    if picture.mode == "CMYK":
        ink, key = values[..., :3].astype(np.float64), values[..., 3:].astype(np.float64)
        return _whole((WHITE - ink) * (WHITE - key) / WHITE)
    if picture.mode != "RGBA":
        return values[..., :3].transpose(2, 0, 1)
    if premultiplied:
        return _whole(values[..., :3].astype(np.float64) + WHITE - values[..., 3:])
    return on_white(values)


def on_white(values_HW4: Values) -> Values:
    """(3, H, W) of colour with opacity."""
    return _on_white(values_HW4[..., :3], values_HW4[..., 3:])


def _both(raw: bytes, form: str) -> tuple[Values, Image.Image]:
    """((H, W, C) of upper and lower bytes together, turned as the file says; the picture as Pillow has it)."""
    upper, lower = (Image.open(io.BytesIO(raw), formats=[form]) for _ in range(2))
    upper.tile = [
        tile._replace(args=_renamed(tile.args, lambda word: word.replace("RGBa", "RGBA"))) for tile in upper.tile
    ]
    lower.tile = [tile._replace(args=_renamed(tile.args, _swapped)) for tile in lower.tile]
    high, low = (np.array(ImageOps.exif_transpose(picture)).astype(np.uint16) for picture in (upper, lower))
    return high << 8 | low, upper


def _renamed(args: Any, change: Callable[[str], str]) -> Any:
    """A decoder's arguments with its raw mode changed."""
    if isinstance(args, str):
        return change(args)
    return (change(str(args[0])), *args[1:])


def _swapped(mode: str) -> str:
    return mode[:-3].replace("RGBa", "RGBA") + _OTHER[mode[-3:]]


def _on_white(values: Values, opacity: Values) -> Values:
    share = opacity / float(WHITE)
    return _whole(values * share + WHITE * (1.0 - share))


def _whole(values: Values) -> Values:
    whole: Values = np.rint(np.clip(values, 0, WHITE)).astype(np.uint16).transpose(2, 0, 1)
    return whole
