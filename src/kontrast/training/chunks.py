"""Exact large batches: the encoder takes its rows in pieces, everything after it sees the whole batch.

A piece goes through the encoder without storing what its backward pass needs; when the gradient comes back to it, it is
computed a second time, with the same drop-out and precision (Gao et al. 2021, arXiv:2101.06983, without their split of
the loss). So the loss and the gradient are those of the whole batch, for 4/3 of the work and the memory of one piece.
Pieces that fit into memory are kept and not computed twice. This is not gradient accumulation, which would compare the
rows of each piece with each other only.

It holds where no row of the encoder needs another. BatchNorm does: `per_chunk` says that its statistics may be those of
a piece. They move once, by the pieces' shares, and not again when a piece is computed a second time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kontrast.encoders.norm import BatchNorm, still

SHARE = 0.5  # of free memory that stored pieces may take; the rest is for one more piece, the heads, the optimizer
PROBE = 2  # rows with which memory is measured

Item = Any  # pictures (N, C, h, w) or tokens {name: (N, ...)}


@contextmanager
def cut(modules: Sequence[nn.Module], size: int, *, keep: int = 0, per_chunk: bool = False) -> Iterator[None]:
    """Inside, each of these modules takes its rows in pieces of at most `size`; the last `keep` pieces are stored.

    modules    row by row: (N, ...) -> (N, H); tokens may be a mapping of (N, ...)
    per_chunk  BatchNorm takes each piece for a batch
    """
    for module in modules:
        module.forward = _Pieces(module, module.forward, size, keep, per_chunk)
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def by_rows(module: nn.Module) -> list[nn.Module]:
    """The modules inside that may be cut (they say so: `by_rows = True`), outermost ones, slow twins included."""
    if getattr(module, "by_rows", False):
        return [module]
    return [found for child in module.children() for found in by_rows(child)]


def declared(module: nn.Module, name: str) -> str:
    """What a module inside declares under this class attribute (`no_chunks`, `no_norm_per_chunk`); "" if none does."""
    return next((str(vars(type(part))[name]) for part in module.modules() if name in vars(type(part))), "")


def needs_whole_batches(module: nn.Module) -> bool:
    """Whether there is a BatchNorm with the statistics of its batch in a module that would be cut."""
    inside = [m for part in by_rows(module) for m in part.modules()]
    return any(isinstance(m, BatchNorm) and not m.frozen for m in inside)


class _Pieces:
    """A module's forward, in pieces."""

    def __init__(
        self, module: nn.Module, whole: Callable[[Item], Tensor], size: int, keep: int, per_chunk: bool
    ) -> None:
        self.module, self.whole, self.size, self.keep = module, whole, size, keep
        self.norms = [m for m in module.modules() if isinstance(m, BatchNorm)] if per_chunk else []

    def __call__(self, item: Item) -> Tensor:
        rows = _rows(item)
        count = -(-rows // self.size)
        if count <= 1:
            return self.whole(item)
        edges = [rows * i // count for i in range(count + 1)]
        features = []
        learns = torch.is_grad_enabled() and any(p.requires_grad for p in self.module.parameters())
        for number, (start, stop) in enumerate(pairwise(edges)):
            piece = _part(item, slice(start, stop))
            stored = number >= count - self.keep or not learns
            with self._moving_by(start / rows, stop / rows, first=number == 0):
                features.append(self.whole(piece) if stored else self._twice(piece))
        return torch.cat(features)

    def _twice(self, piece: Item) -> Tensor:
        """Computed now without storing, and again when its gradient comes."""
        wants_gradient = torch.empty(0, requires_grad=True)  # pixels do not, and something must
        features: Tensor = checkpoint(self._replayed, piece, wants_gradient, use_reentrant=True)
        return features

    def _replayed(self, piece: Item, _: Tensor) -> Tensor:
        again = torch.is_grad_enabled()
        with self._apart(), still(self.module) if again else nullcontext():
            return self.whole(piece)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """The pieces of a process are batches of their own: other processes have no part in their statistics."""
        for norm in self.norms:
            norm.apart = True
        try:
            yield
        finally:
            for norm in self.norms:
                norm.apart = False

    @contextmanager
    def _moving_by(self, before: float, after: float, *, first: bool) -> Iterator[None]:
        """Momenta such that all pieces together move the running statistics by momentum times their mean."""
        usual = [norm.momentum for norm in self.norms]
        counted = [int(norm.num_batches_tracked) for norm in self.norms]
        for norm, m in zip(self.norms, usual):
            norm.momentum = m * (after - before) / (1 - m + m * after)
        try:
            with self._apart():
                yield
        finally:
            for norm, m, count in zip(self.norms, usual, counted):
                norm.momentum = m
                if not first:
                    norm.num_batches_tracked.fill_(count)


def _rows(item: Item) -> int:
    return len(next(iter(item.values()))) if isinstance(item, Mapping) else len(item)


def _part(item: Item, rows: slice) -> Item:
    return {name: t[rows] for name, t in item.items()} if isinstance(item, Mapping) else item[rows]


def bytes_per_row(module: nn.Module, item: Item, autocast: Callable[[], AbstractContextManager[object]]) -> float:
    """What the module's backward pass needs stored for one more row: counted, not estimated, on any device."""
    own = {p.data_ptr() for p in module.parameters()}

    def stored(rows: int) -> int:
        seen: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            if tensor.data_ptr() not in own:
                seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            alive.append(tensor)
            return tensor

        alive: list[Tensor] = []  # so that no address comes twice
        with still(module), autocast(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            module(_part(item, slice(0, rows)))
        return sum(seen.values())

    return max(1.0, (stored(2 * PROBE) - stored(PROBE)) / PROBE)


def room(device: torch.device) -> float:
    """Bytes that stored pieces may take in this process."""
    if device.type == "cuda":
        return SHARE * torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":") for line in file)
        free = float(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        free = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2
    return SHARE * free / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def fitting(rows: int, row_bytes: float, bytes_free: float) -> int:
    """Rows of a piece for `--chunk auto`: all of them where they fit, else a quarter of what fits, evenly."""
    if rows * row_bytes <= bytes_free:
        return 0
    largest = max(1, int(bytes_free / row_bytes / 4))
    return math.ceil(rows / math.ceil(rows / largest))


def storable(size: int, row_bytes: float, bytes_free: float) -> int:
    """How many pieces fit beside the one that is being computed again."""
    return max(0, int(bytes_free / (size * row_bytes)) - 1)
