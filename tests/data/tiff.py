"""TIFF files written by hand, byte by byte: what Pillow reads but cannot write."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt


def tiff(
    *pages: npt.NDArray[np.generic],
    photometric: int = 2,
    extra: tuple[int, ...] = (),
    order: str = "<",
    deflate: bool = False,
    apart: bool = False,
    orientation: int = 1,
    kinds: tuple[int, ...] = (),
) -> bytes:
    """Pages (H, W, C) of one photometric interpretation; `apart`: a plane for each band; kinds: tag 254 of each."""
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0))
    link = 4
    for number, page in enumerate(pages):
        height, width, bands = page.shape
        data = page.astype(page.dtype.newbyteorder(order))
        parts = [data[..., band].tobytes() for band in range(bands)] if apart else [data.tobytes()]
        parts = [zlib.compress(part) for part in parts] if deflate else parts
        offsets = []
        for part in parts:
            offsets.append(len(out))
            out += part + b"\0" * (len(part) % 2)
        floating = 3 if np.issubdtype(page.dtype, np.floating) else 1
        tags = {
            254: [kinds[number]] if kinds else [0],
            256: [width],
            257: [height],
            258: [page.dtype.itemsize * 8] * bands,
            259: [8 if deflate else 1],
            262: [photometric],
            273: offsets,
            274: [orientation],
            277: [bands],
            278: [height],
            279: [len(part) for part in parts],
            284: [2 if apart else 1],
            339: [floating] * bands,
        }
        if extra:
            tags[338] = list(extra)
        entries, beyond = b"", b""
        begin = len(out) + 2 + 12 * len(tags) + 4
        for tag, values in sorted(tags.items()):
            kind, letter = (4, "I") if tag in (273, 279) else (3, "H")
            packed = struct.pack(f"{order}{len(values)}{letter}", *values)
            if len(packed) > 4:
                packed, beyond = struct.pack(order + "I", begin + len(beyond)), beyond + packed
            entries += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
        struct.pack_into(order + "I", out, link, len(out))
        link = len(out) + 2 + len(entries)
        out += struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0" + beyond
    return bytes(out)
