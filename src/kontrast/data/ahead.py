"""Processes that draw the views of the next steps while the last one is trained on.

Two threads of one Python process hand its lock to each other at every operation, and a view of 224 pixels is some
twenty operations of 50 microseconds: they draw hardly more of them than one thread does. Processes share no lock.

Process w of W draws the steps w, w + W, ... on one thread, into memory that it shares with the trainer. Two of them are
asked for at a time, so that it draws the second while the first waits and is copied: 2 W batches of views in all. They
lie in a map without a file, so the size of /dev/shm does not bound them.
The processes are forks, for which pictures in memory are not copied, and they end with the trainer, however it ends.
"""

from __future__ import annotations

import mmap
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from math import prod
from multiprocessing.connection import Connection

import numpy as np
import torch
from torch import Tensor

from kontrast.errors import Failed

Draw = Callable[[int], Sequence[Tensor]]  # a step's views, a pure function of the step
Shape = tuple[int, ...]

AHEAD = 2  # steps of each process
CAN_FORK = sys.platform == "linux"  # elsewhere a fork of a process with threads is not safe


class Ahead:
    """`ahead(step)` is `draw(step)`: float32 tensors of these shapes, drawn by one of `workers` processes.

    In turn or jumping; steps from `total` on are never drawn ahead. What `draw` raises is raised here, and so is
    Failed if a process was ended from outside, as a system without memory does.
    """

    def __init__(self, draw: Draw, shapes: Sequence[Shape], total: int, workers: int) -> None:
        self.draw, self.total, self.workers = draw, total, workers
        self._places = [[_shared(shape) for shape in shapes] for _ in range(AHEAD * workers)]
        self._asked: deque[int] = deque()  # steps one after the other, drawn or being drawn
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe() for _ in range(workers)]
        self._ends = [ours for ours, _ in pipes]
        for _, own in pipes:
            said = draw, own, [end for pipe in pipes for end in pipe if end is not own], self._places
            context.Process(target=_work, args=said, name="kontrast-views", daemon=True).start()
        for _, theirs in pipes:
            theirs.close()

    def __call__(self, step: int) -> list[Tensor]:
        """The views of a step, as tensors of the caller's own."""
        if not self._asked or self._asked[0] != step:  # the first one, or a jump
            while self._asked:
                self._answer()
            self._ask(step)
        while len(self._asked) < len(self._places) and self._asked[-1] + 1 < self.total:
            self._ask(self._asked[-1] + 1)
        if not self._answer():
            return list(self.draw(step))  # which raises here what it raised there
        return [_copied(place) for place in self._places[step % len(self._places)]]

    def _ask(self, step: int) -> None:
        self._asked.append(step)
        try:
            self._ends[step % self.workers].send(step)
        except ConnectionError:
            raise _ended() from None

    def _answer(self) -> bool:
        """Wait for the step that was asked for first; whether it was drawn."""
        try:
            return bool(self._ends[self._asked.popleft() % self.workers].recv())
        except (EOFError, ConnectionError):
            raise _ended() from None


def _ended() -> Failed:
    return Failed(
        "A process that draws views (--workers) was ended from outside; most often memory had run out. Go on with "
        "fewer --workers, or a smaller --batch-size."
    )


def _shared(shape: Shape) -> Tensor:
    """Float32 memory that forks write to and their parent reads."""
    return torch.frombuffer(mmap.mmap(-1, 4 * max(1, prod(shape))), dtype=torch.float32, count=prod(shape)).view(shape)


def _copied(place: Tensor) -> Tensor:
    """A copy by one thread: torch's others would go on waiting for more on the cores that draw."""
    copy = torch.empty_like(place)
    np.copyto(copy.numpy(), place.numpy())
    return copy


def _work(draw: Draw, end: Connection, others: Sequence[Connection], places: Sequence[Sequence[Tensor]]) -> None:
    """Draw what is asked for until the trainer is gone. An interrupt is for the trainer, which ends this by leaving."""
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    try:
        while True:
            step = end.recv()
            try:
                for place, view in zip(places[step % len(places)], draw(step), strict=True):
                    place.copy_(view)
                drawn = True
            except Exception:
                drawn = False
            end.send(drawn)
    except (EOFError, ConnectionError):
        return
