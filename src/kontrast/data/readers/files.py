"""Names that may be files: whether they are, whether they are pictures, and what lies under them.

Any text is asked here without fear: longer than a file name may be, with a zero in it, with half a letter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kontrast.data.labels import missing
from kontrast.data.pixels.decode import Broken, Pixels, from_pillow
from kontrast.errors import shown

LOOKED_AT = 1000  # values of a column
OPENED = 20  # of them, files of strange endings that are opened to see
_NOT_SURVEYED = frozenset({".pdf", ".mpg", ".mpeg", ".h5", ".hdf"})


@cache
def extensions() -> frozenset[str]:
    """Endings of the names that Pillow can read as pictures."""
    Image.init()
    readable = {end for end, name in Image.registered_extensions().items() if name in Image.OPEN}
    return frozenset(readable - _NOT_SURVEYED)


def is_file(path: str | Path) -> bool:
    """Whether there is a file of this name; False, too, for what can be no name at all."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder of this name; False, too, for what can be no name at all."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def name_pictures(values: Sequence[Any], folder: Path | None) -> bool:
    """Whether most of the first values name pictures, be they there or not: by ending, else by a look at the file."""
    words, hits, opened = 0, 0, 0
    for place in range(min(len(values), LOOKED_AT)):
        value = values[place]
        if not isinstance(value, str | os.PathLike) or not str(value).strip():
            continue
        words += 1
        name = str(value)
        if os.path.splitext(name)[1].lower() in extensions() and "\n" not in name and len(name) < 4096:
            hits += 1
        elif opened < OPENED and is_file(path := (folder or Path()) / name):
            opened += 1
            hits += _opens(path)
    return 2 * hits > words


def _opens(path: Path) -> bool:
    try:
        with Image.open(path):
            return True
    except Exception:  # of a file that is no picture Pillow raises whatever it likes
        return False


def holds_pictures(values: Sequence[Any], folder: Path | None) -> bool:
    """Whether a column has pictures in it: encoded, opened, as pixels, or as names of files."""
    for place in range(min(len(values), LOOKED_AT)):
        value = values[place]
        if missing(value):
            continue
        if isinstance(value, dict):
            return bool({"bytes", "path"} & set(value))
        if not isinstance(value, str | os.PathLike):
            return isinstance(value, bytes | bytearray | Image.Image | np.ndarray)
        return name_pictures(values, folder)
    return False


def reader(values: Sequence[Any], folder: Path | None, follow_links: bool = False) -> Callable[[int], bytes | Pixels]:
    """row -> its picture: encoded in the table, opened already, or a file in this folder (None: anywhere)."""

    def read(row: int) -> bytes | Pixels:
        value = values[row]
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes | bytearray):
            return bytes(value)
        if isinstance(value, Image.Image):
            return from_pillow(value)
        if not isinstance(value, str | os.PathLike) or not str(value):
            raise Broken("no picture in this row")
        return _read(str(value), folder, follow_links)

    return read


def _read(name: str, folder: Path | None, follow_links: bool) -> bytes:
    told = shown(name if len(name) <= 200 else f"{name[:200]}...")
    try:
        if folder is None:
            return Path(name).read_bytes()
        path = folder / name
        if not path.resolve().is_relative_to(folder):
            if not Path(os.path.normpath(path)).is_relative_to(folder):
                raise Broken(f"the path {told} leaves the folder of the table; put the table above its pictures")
            if not follow_links:
                raise Broken(f"{told} is a link out of the folder of the table; --follow-links follows it")
        if not path.is_file():
            raise Broken(f"no file {told} in {shown(folder.name)}")
        return path.read_bytes()
    except Broken:
        raise
    except (ValueError, RuntimeError):  # a zero or half a letter in the name; a link to itself
        raise Broken(f"{told} can be no name of a file") from None
