"""What `--chunk` and `--norm` mean for a run: refused in words where it would be wrong, else sizes and pieces."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from kontrast.distributed import processes
from kontrast.errors import Unfit
from kontrast.methods.method import Batch
from kontrast.settings import Resolved
from kontrast.training import chunks, loop


def checked(method: Any, s: Resolved) -> None:
    """`Unfit` where pieces would not give the gradient of the whole batch and the user has not said what is wanted."""
    if s.norm == "per-chunk" and s.chunk is None:
        raise Unfit("--norm per-chunk says how the pieces of --chunk are normalised; there is no --chunk.")
    if s.chunk in (None, "0"):
        return
    if why := chunks.declared(method, "no_chunks"):
        raise Unfit(f"--chunk cannot cut {why}; leave one of them out.")
    if not chunks.by_rows(method.encoder):
        raise Unfit("--chunk: this encoder does not say that its rows can be taken apart (by_rows).")
    if not chunks.needs_whole_batches(method.encoder):
        return
    ways = "--norm group (GroupNorm), frozen (running statistics, if trained) or per-chunk (each piece for itself)"
    if s.norm != "per-chunk":
        raise Unfit(f"--chunk {s.chunk}: the encoder's BatchNorm needs the whole batch. Say what is wanted: {ways}.")
    if why := chunks.declared(method, "no_norm_per_chunk"):
        raise Unfit(f"--norm per-chunk {why}: --norm group or frozen.")


def sizes(method: nn.Module, batch: Batch, s: Resolved, device: torch.device) -> tuple[int, int]:
    """(rows of a piece, 0 for the whole batch; how many pieces are stored). Counted on this run's own first batch."""
    if s.chunk in (None, "0"):
        return 0, 0
    calls = _calls(method, batch)

    def autocast() -> AbstractContextManager[object]:
        return loop.autocast(s.precision, device)

    views = len(batch.views) if len(calls) == 1 else 1
    rows = views * len(batch.ids_B)
    row_bytes = sum([chunks.bytes_per_row(module, item, autocast) for module, item in calls])
    free = chunks.room(device)
    size = chunks.fitting(rows, row_bytes, free) if s.chunk == "auto" else int(s.chunk or 0)
    size = int(processes.largest(float(size))[0])
    return size, chunks.storable(size, row_bytes, free) if size else 0


def _calls(method: nn.Module, batch: Batch) -> list[tuple[nn.Module, Any]]:
    """The trained modules that are cut, each with what it takes: one encoder, or two towers."""
    encoder: Any = method.encoder
    parts: list[Any] = chunks.by_rows(encoder)
    if len(parts) == 1:
        return [(parts[0], batch.views[0])]
    pixels, tokens = batch.views
    return list(zip(parts, (pixels, tokens["read" if "read" in tokens else "input_ids"])))


def told(size: int, keep: int) -> str:
    """The sizes in words."""
    if not size:
        return "none: the whole batch fits into memory"
    stored = f"the last {keep} pieces of a pass are stored, others" if keep else "each"
    return f"{size} rows at a time; {stored} computed twice; the gradient is that of the whole batch"


def cut(method: nn.Module, size: int, keep: int, s: Resolved) -> AbstractContextManager[None]:
    """Inside, the encoder and its twin take their rows in pieces."""
    if not size:
        return nullcontext()
    return chunks.cut(chunks.by_rows(method), size, keep=keep, per_chunk=s.norm == "per-chunk")
