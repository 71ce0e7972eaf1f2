"""What a locked tower has read of the data, kept in the user's cache: a run that goes on, or the next one, finds it.

    key       of content: data, samples, the tower's weights, how it looked. Other content, another file
    stored    fp32 up to `WHOLE_BYTES`, above that fp16, above `MOST_BYTES` not at all; mapped, so it fills no memory
    the room  of all files together is bounded by `ALL_BYTES`: the ones that were used longest ago go first

Shapes: N rows, W features of the tower, R rows read at once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kontrast import files
from kontrast.data.pixels.cache import cache_folder

WHOLE_BYTES = 1 << 30  # in fp32; 200,000 pictures of 1,280 numbers
MOST_BYTES = 8 << 30
ALL_BYTES = 16 << 30

Parts = Iterable[tuple[Any, Tensor]]  # (rows, features of these rows, fp32 on the CPU)


def key_of(tower: nn.Module, *content: Any) -> str:
    """A name for what this tower makes of this content: other weights or other content, another name."""
    digest = hashlib.blake2b(repr((torch.__version__, *content)).encode(), digest_size=16)
    for name, tensor in tower.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def kept(key: str, count: int, parts: Parts) -> Tensor | None:
    """Features (N, W) of so many rows: from the cache, or read now and kept there; None where they are too many.

    Nothing is read where the cache has them. A cache that cannot be written is no fault: then they stay in memory, if
    they are at most `WHOLE_BYTES`.
    """
    path = _path(key)
    if (found := _found(path, count)) is not None:
        return found
    parts = iter(parts)
    rows, features = next(parts)
    kind = _kind(count, features.shape[1])
    if kind is None:
        return None
    shape = (count, features.shape[1])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_room(path.parent, count * features.shape[1] * kind.itemsize)
        with files.whole(path) as part:
            _fill(np.lib.format.open_memmap(part, mode="w+", dtype=kind, shape=shape), [(rows, features)], parts)
        return _found(path, count)
    except OSError:
        if kind != np.float32:
            return None
        return torch.from_numpy(_fill(np.empty(shape, np.float32), [(rows, features)], parts))


def forget(key: str) -> None:
    """What is kept under this name is not for others; whoever has it mapped keeps it."""
    with suppress(OSError):
        _path(key).unlink()


def _path(key: str) -> Path:
    return cache_folder() / "features" / f"{key}.npy"


def _fill(into: np.ndarray[Any, Any], *several: Parts) -> np.ndarray[Any, Any]:
    for parts in several:
        for rows, features in parts:
            into[rows] = features.numpy()
    return into


def _kind(count: int, width: int) -> np.dtype[Any] | None:
    if count * width * 4 <= WHOLE_BYTES:
        return np.dtype(np.float32)
    return np.dtype(np.float16) if count * width * 2 <= MOST_BYTES else None


def _found(path: Path, count: int) -> Tensor | None:
    try:
        found = np.load(path, mmap_mode="c", allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):  # not there, or not whole
        return None
    return torch.from_numpy(found) if found.ndim == 2 and len(found) == count else None


def _make_room(folder: Path, wanted: int) -> None:
    """Let go of what was used longest ago, until so many bytes more stay within `ALL_BYTES`."""
    there = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in folder.glob("*.npy"))
    over = sum(size for _, size, _ in there) + wanted - ALL_BYTES
    for _, size, file in there:
        if over <= 0:
            return
        with suppress(OSError):
            file.unlink()
        over -= size
