"""Chunks are the whole: the gradient of a batch that is cut is that of the batch taken at once, for every method.

Also with two processes, under bf16, and with drop-out: ours, whose masks have names, and other people's, which draw
from the global generator and must be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import keyed
from kontrast.data.sampler import own_rows
from kontrast.distributed import gather, processes
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.methods.method import Batch, Progress
from kontrast.training import chunks
from kontrast.training.loop import autocast
from kontrast.verify import multiprocess, tiny_methods
from kontrast.verify.findings import Finding

SIZE = 7  # rows of a piece: four pieces of one view, eight of two
STEPS = 3
BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-5}
BF16 = 1.2  # times the distance of the direct bf16 step to the float64 gradient


def check(names: Sequence[str] = tiny_methods.NAMES, *, before: Callable[[], None] | None = None) -> list[Finding]:
    """Every method, with GroupNorm where there was BatchNorm; then drop-out; then two processes."""
    found = []
    in_two = multiprocess.begun(2, together, tuple(names), before=before)
    for name in names:
        for dtype, bound in BOUNDS.items():
            what = f"{name}: chunks = whole, {str(dtype).removeprefix('torch.')}"
            found.append(Finding("chunks", what, apart(name, dtype), bound))
        found.append(Finding("chunks", f"{name}: bf16, distance to float64 over direct", bf16_ratio(name), BF16))
    found.append(Finding("chunks", "drop-out of others is replayed", replayed(), 1e-12))
    for name, measured in in_two():
        found.append(Finding("chunks", f"{name}: chunks in 2 processes = 1 whole, float64", measured, 1e-8))
    return found


def _step(method: Any, batch: Batch, size: int = 0, precision: str = "fp32", keep: int = 0) -> dict[str, Tensor]:
    """The gradient of a step, and what the step leaves behind."""
    cutting = chunks.cut(chunks.by_rows(method), size, keep=keep) if size else nullcontext()
    with cutting:
        with autocast(precision, torch.device("cpu")):
            embeddings = method.embed(batch)
        outcome = method.compare(embeddings.joined())
        outcome.loss.backward()
    processes.sum_gradients([p for p in method.parameters() if p.grad is not None])
    gradient = tiny_methods.gradient(method)
    method.after_step(outcome, Progress(batch.step + 1, batch.total))
    return gradient


def apart(name: str, dtype: torch.dtype) -> float:
    """The largest distance of the cut gradient to the whole one over some steps, and of what the steps leave."""
    whole, cut = (tiny_methods.method(name, dtype, norm="group") for _ in range(2))
    worst = 0.0
    for step in range(STEPS):
        batch = tiny_methods.batch(name, step, dtype)
        worst = max(worst, tiny_methods.distance(_step(cut, batch, SIZE), _step(whole, batch)))
    return max(worst, tiny_methods.distance(cut.state_dict(), whole.state_dict()))


def bf16_ratio(name: str) -> float:
    """Distance of the cut bf16 gradient to the float64 one, over that of the direct bf16 gradient."""
    methods = [tiny_methods.method(name, torch.float32, norm="group") for _ in range(2)]
    exact = _step(tiny_methods.method(name, norm="group"), tiny_methods.batch(name, 0))
    batch = tiny_methods.batch(name, 0, torch.float32)
    direct, cut = (_step(made, batch, size, "bf16") for made, size in zip(methods, (0, SIZE)))
    return tiny_methods.distance(cut, exact) / tiny_methods.distance(direct, exact)


def replayed() -> float:
    """A net with torch's own Dropout: pieces computed twice against pieces that were kept."""
    gradients = []
    for keep in (0, 100):
        net = nn.Sequential(tiny_methods.encoder_for("simclr", "group").net, nn.Dropout(0.3), nn.Linear(10, 10))
        with torch.no_grad():
            next(net[2].parameters()).copy_(torch.eye(10))
        made = tiny_methods.method("simclr")
        made.encoder = ImageEncoder(net.double(), 10, {})
        with keyed.lent(torch.device("cpu"), "verify"):
            gradients.append(_step(made, tiny_methods.batch("simclr", 0), SIZE, keep=keep))
    return tiny_methods.distance(*gradients)


def together(names: Sequence[str]) -> list[tuple[str, float]]:
    """In each process of a world: cut and joined against whole and alone."""
    found = []
    for name in names:
        ours, one = (tiny_methods.method(name, norm="group") for _ in range(2))
        whole = tiny_methods.batch(name, 0)
        part = tiny_methods.rows_of(whole, own_rows(tiny_methods.ROWS, gather.rank(), gather.processes()))
        gradient = _step(ours, part, 4)
        with gather.alone():
            found.append((name, tiny_methods.distance(gradient, _step(one, whole))))
    return found
