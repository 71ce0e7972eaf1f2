"""Work of later steps done by other processes while this one goes on.

    ahead = Ahead(make, total, workers=2)
    ahead(0), ahead(1), ...                     what make(0), make(1), ... return

`make` must be a pure function of the step, so the answers are the same for any number of workers. The processes are
forked: they share the memory of what `make` holds, and hand tensors back through shared memory. Asking for a step that
is not the next one starts them anew from there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

Made = TypeVar("Made")


class Ahead(Generic[Made]):
    """`make(step)` for the steps below `total`, two steps ahead in each of `workers` processes."""

    def __init__(self, make: Callable[[int], Made], total: int, workers: int) -> None:
        self.make, self.total, self.workers = make, total, workers
        self._coming: Iterator[Made] = iter(())
        self._next = -1

    def __call__(self, step: int) -> Made:
        """What `make(step)` returns."""
        if step != self._next:
            self._coming = self._from(step)
        self._next = step + 1
        return next(self._coming)

    def _from(self, step: int) -> Iterator[Made]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # than cores: asked for
            return iter(
                DataLoader(
                    _Calls(self.make),
                    batch_size=None,
                    sampler=range(step, self.total),
                    num_workers=self.workers,
                    collate_fn=_as_it_is,
                    multiprocessing_context="fork",
                )
            )


class _Calls(Dataset[Made]):
    def __init__(self, make: Callable[[int], Made]) -> None:
        self.make = make

    def __getitem__(self, step: int) -> Made:
        return self.make(step)


def _as_it_is(made: Made) -> Made:
    return made
