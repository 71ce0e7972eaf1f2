"""Files that a careless reader gets wrong, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image


def pixels(height: int = 12, width: int = 10, channels: int = 3, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth noise, (H, W, C), or (H, W) for one channel."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return made[..., 0] if channels == 1 else made


def encoded(picture: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def png(seed: int = 0, channels: int = 3, height: int = 12, width: int = 10) -> bytes:
    """A small PNG that differs for every seed."""
    return encoded(Image.fromarray(pixels(height, width, channels, seed)))


def deep_png(values: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit colour PNG from (H, W, 3) or (H, W, 4); Pillow cannot write one."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def folder(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below root."""
    for name, raw in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return root
