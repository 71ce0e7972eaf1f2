"""Processes that draw the views of the next steps while the last one is trained on.

Two threads of one Python process hand its lock to each other at every operation, and a view of 224 pixels is some
twenty operations of 50 microseconds: they draw hardly more of them than one thread does. Processes share no lock.

Process w of W draws the steps w, w + W, ... on one thread, into memory that it shares with the trainer. Two of them are
asked for at a time, so that it draws the second while the first waits; with the one that is trained on, 2 W + 1 batches
of views in all. They are lent, not copied: memory is drawn into again when no tensor lies in it any more. It is a map
without a file, so the size of /dev/shm does not bound it.
The processes are forks, for which pictures in memory are not copied, and they end with the trainer, however it ends.
"""

from __future__ import annotations

import mmap
import multiprocessing
import signal
import sys
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from math import prod
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast.errors import Failed

Draw = Callable[[int], Sequence[Tensor]]  # a step's views, a pure function of the step
Shape = tuple[int, ...]
Place = npt.NDArray[np.float32]

AHEAD = 2  # steps of each process
CAN_FORK = sys.platform == "linux"  # elsewhere a fork of a process with threads is not safe


class Ahead:
    """`ahead(step)` is `draw(step)`: float32 tensors of these shapes, drawn by one of `workers` processes.

    In turn or jumping; steps from `total` on are never drawn ahead. What `draw` raises is raised here, and so is
    Failed if a process was ended from outside, as a system without memory does.
    """

    def __init__(self, draw: Draw, shapes: Sequence[Shape], total: int, workers: int) -> None:
        self.draw, self.total, self.workers = draw, total, workers
        self._places = [[_shared(shape) for shape in shapes] for _ in range(AHEAD * workers + 1)]
        self._lent: list[list[weakref.ref[Place]]] = [[] for _ in self._places]
        self._asked: deque[tuple[int, int]] = deque()  # steps in turn and their places, drawn or being drawn
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe() for _ in range(workers)]
        self._ends = [ours for ours, _ in pipes]
        for _, own in pipes:
            arguments = draw, own, [end for pipe in pipes for end in pipe if end is not own], self._places
            context.Process(target=_work, args=arguments, name="kontrast-views", daemon=True).start()
        for _, theirs in pipes:
            theirs.close()

    def __call__(self, step: int) -> list[Tensor]:
        """The views of a step. Who keeps so many that no memory is free has the next ones drawn here, not ahead."""
        while self._asked and self._asked[0][0] != step:  # a jump
            self._answer()
        following = self._asked[-1][0] + 1 if self._asked else step
        while len(self._asked) < AHEAD * self.workers and following < max(self.total, step + 1):
            if (free := self._free()) is None:
                break
            self._ask(following, free)
            following += 1
        at = self._answer() if self._asked else None
        if at is None:
            return list(self.draw(step))  # which raises here what it raised there
        views = [place.view() for place in self._places[at]]
        self._lent[at] = [weakref.ref(view) for view in views]  # a tensor holds its array as long as anything needs it
        return [torch.from_numpy(view) for view in views]

    def _free(self) -> int | None:
        """A place that nothing is drawn into and no tensor lies in."""
        taken = {at for _, at in self._asked}
        places = (at for at in range(len(self._places)) if at not in taken)
        return next((at for at in places if all(view() is None for view in self._lent[at])), None)

    def _ask(self, step: int, at: int) -> None:
        self._asked.append((step, at))
        try:
            self._ends[step % self.workers].send((step, at))
        except ConnectionError:
            raise _ended() from None

    def _answer(self) -> int | None:
        """Wait for the step that was asked for first; its place, if it was drawn."""
        step, at = self._asked.popleft()
        try:
            return at if self._ends[step % self.workers].recv() else None
        except (EOFError, ConnectionError):
            raise _ended() from None


def _ended() -> Failed:
    return Failed(
        "A process that draws views (--workers) was ended from outside; most often memory had run out. Go on with "
        "fewer --workers, or a smaller --batch-size."
    )


def _shared(shape: Shape) -> Place:
    """Memory that forks write to and their parent reads."""
    return np.frombuffer(mmap.mmap(-1, 4 * max(1, prod(shape))), np.float32, prod(shape)).reshape(shape)


def _work(draw: Draw, end: Connection, others: Sequence[Connection], places: Sequence[Sequence[Place]]) -> None:
    """Draw what is asked for until the trainer is gone. An interrupt is for the trainer, which ends this by leaving."""
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    try:
        while True:
            step, at = end.recv()
            try:
                for place, view in zip(places[at], draw(step), strict=True):
                    np.copyto(place, view.numpy())
                drawn = True
            except Exception:
                drawn = False
            end.send(drawn)
    except (EOFError, ConnectionError):
        return
