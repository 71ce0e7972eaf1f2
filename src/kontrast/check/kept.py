"""What a look at data found, kept in the user's cache: columns of numbers by a key. A cache that fails is no fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast import files
from kontrast.data.pixels.cache import cache_folder

Column = npt.NDArray[Any]


def found(key: str) -> dict[str, Column] | None:
    """The columns under this key, or None."""
    try:
        with np.load(_path(key), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except Exception:  # not there, cut or foreign: zip and NumPy raise whatever they like, and it costs one look
        return None


def keep(key: str, columns: Mapping[str, Column]) -> None:
    """Keep these columns."""
    path = _path(key)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.whole(path) as part:
            np.savez(part, allow_pickle=False, **columns)


def letters(words: Iterable[str]) -> Column:
    """Texts as one column of bytes."""
    return np.frombuffer("\0".join(words).encode("utf-8", "surrogatepass"), dtype=np.uint8)


def texts(column: Column) -> list[str]:
    """The texts of `letters`."""
    joined = bytes(column).decode("utf-8", "surrogatepass")
    return joined.split("\0") if joined else []


def _path(key: str) -> Path:
    return cache_folder() / "check" / f"{key}.npz"
