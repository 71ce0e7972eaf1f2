"""What was once found out about large folders, kept in the user's cache, so that the second start is quick.

A picture is looked at again when its size or time of change differs. The cache holds facts, never pixels.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast import files
from kontrast.data.pixels.store import Fact


def cache_folder() -> Path:
    """KONTRAST_CACHE, or kontrast in the user's cache folder."""
    named = os.environ.get("KONTRAST_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kontrast"


def stamps(folder: Path, names: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Bytes and time of last change (ns) of each file, (N, 2); -1 where it cannot be asked."""
    stamp_N2 = np.full((len(names), 2), -1, dtype=np.int64)
    for place, name in enumerate(names):
        try:
            status = os.stat(folder / name)
            stamp_N2[place] = status.st_size, status.st_mtime_ns
        except OSError:
            continue
    return stamp_N2


def remembered(folder: Path, names: Sequence[str], shorter_side: int | None) -> dict[int, Fact]:
    """Facts of the pictures that have not changed since they were looked at; empty when none are kept."""
    path = _path(folder, shorter_side)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as kept:
            return _unchanged(kept, folder, names)
    except Exception:  # not there, cut or foreign: zip and NumPy raise whatever they like, and it costs one look
        return {}


def _unchanged(kept: Mapping[str, npt.NDArray[Any]], folder: Path, names: Sequence[str]) -> dict[int, Fact]:
    """What is kept of the pictures that are as they were."""
    old_names = bytes(kept["names"]).decode("utf-8", "surrogateescape").split("\0")
    stamp_N2, shape_N3, digest_N = kept["stamps"], kept["shapes"], kept["digests"]
    bits_N, highest_N, pages_N, bands_N = (kept[name] for name in ("bits", "highest", "pages", "bands"))
    old = {name: row for row, name in enumerate(old_names)}
    now_N2 = stamps(folder, names)
    facts = {}
    for sample, name in enumerate(names):
        row = old.get(name)
        if row is not None and now_N2[sample, 0] >= 0 and (now_N2[sample] == stamp_N2[row]).all():
            channels, height, width = shape_N3[row].tolist()
            numbers = (int(bits_N[row]), int(highest_N[row]))
            beside = (int(pages_N[row]), int(bands_N[row]))
            facts[sample] = Fact((channels, height, width), *numbers, bytes(digest_N[row]), *beside)
    return facts


def remember(folder: Path, names: Sequence[str], shorter_side: int | None, facts: Mapping[int, Fact]) -> None:
    """Keep the facts; a cache that cannot be written is no fault."""
    used = [names[sample] for sample in facts]
    path = _path(folder, shorter_side)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.whole(path) as part:
            np.savez(
                part,
                names=np.frombuffer("\0".join(used).encode("utf-8", "surrogateescape"), dtype=np.uint8),
                stamps=stamps(folder, used),
                shapes=np.array([fact.shape for fact in facts.values()], dtype=np.int32),
                bits=np.array([fact.bits for fact in facts.values()], dtype=np.uint8),
                highest=np.array([fact.highest for fact in facts.values()], dtype=np.uint16),
                pages=np.array([fact.pages for fact in facts.values()], dtype=np.int32),
                bands=np.array([fact.bands for fact in facts.values()], dtype=np.int32),
                digests=np.frombuffer(b"".join(fact.digest for fact in facts.values()), np.uint8).reshape(-1, 16),
            )
    except OSError:
        return


def _path(folder: Path, shorter_side: int | None) -> Path:
    key = hashlib.blake2b(repr((os.path.realpath(folder), shorter_side)).encode(), digest_size=12).hexdigest()
    return cache_folder() / "folders" / f"{key}.npz"
