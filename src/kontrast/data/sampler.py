"""Which samples make a step: a pure function of (seed, step), never remembered.

    sample at position p of epoch e  =  ids[permuted(p, N, seed, e)]

Nothing is stored and nothing is replayed, so resuming costs nothing and the order is the same for any number of workers
and processes. The remainder of an epoch that does not fill a batch is left out; which samples that hits changes with
the epoch.

Shapes: N usable samples, B samples of the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from kontrast import keyed
from kontrast.data.pixels.store import Lost
from kontrast.errors import Unfit
from kontrast.keyed import Ids

SMALL = 1 << 16  # samples; up to here the shuffle of an epoch is made once, above it step by step


@dataclass(frozen=True, eq=False)
class Sampler:
    """The order of a run, and the part of it that is this process's.

    ids         the samples to draw from; kept ascending, so their order tells nothing
    batch_size  rows of one step, in total over all processes
    steps       of the whole run
    lost        id -> why it cannot be read: its places stay empty, all other rows stay
    """

    ids: Ids
    batch_size: int
    seed: int
    steps: int
    rank: int = 0
    processes: int = 1
    lost: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", np.sort(self.ids))
        steps_per_epoch(len(self.ids), self.batch_size)  # refuses a batch larger than the set

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self.ids), self.batch_size)

    def epoch(self, step: int) -> int:
        """Passes over the data that are over when this step begins."""
        return step // self.steps_per_epoch

    def whole(self, step: int) -> Ids:
        """The sample ids of a step, (B,), of all processes together; no id twice."""
        return batch_ids(self.ids, step, self.batch_size, self.seed)

    def own(self, step: int) -> Ids:
        """This process's rows of them, without samples that were lost. `Lost` where too few are left to compare."""
        own_B = self.there(self.whole(step)[self.rows])
        if len(own_B) < (2 if self.processes == 1 else 1):
            raise Lost(self.lost)
        return own_B

    def there(self, ids: Ids) -> Ids:
        """These ids without those that were lost; nobody takes their places."""
        return ids[~np.isin(ids, list(self.lost))] if self.lost else ids

    @property
    def rows(self) -> slice:
        return self.share(self.batch_size)

    def share(self, count: int) -> slice:
        """This process's part of so many rows."""
        return own_rows(count, self.rank, self.processes)


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Whole batches in one pass; the rest of the pass is left out."""
    if batch_size < 1:
        raise ValueError(f"batch_size: a number of samples from 1 on was expected, not {batch_size}.")
    if samples < batch_size:
        raise Unfit(f"--batch-size {batch_size:,} is more than the {samples:,} samples there are to train on.")
    return samples // batch_size


def batch_ids(ids_N: Ids, step: int, batch_size: int, seed: int) -> Ids:
    """The sample ids of one step, (B,), of all processes together; no id twice."""
    epoch, place = divmod(step, steps_per_epoch(len(ids_N), batch_size))
    rows = slice(place * batch_size, (place + 1) * batch_size)
    if len(ids_N) <= SMALL:
        chosen_B: Ids = ids_N[_whole_epoch(len(ids_N), seed, epoch)[rows]]
        return chosen_B
    chosen_B = ids_N[keyed.permuted(np.arange(rows.start, rows.stop), len(ids_N), "order", seed, epoch)]
    return chosen_B


@lru_cache(maxsize=2)
def _whole_epoch(samples: int, seed: int, epoch: int) -> Ids:
    """The same shuffle, all positions at once: for small sets the array overheads of each step would cost more."""
    return keyed.permuted(np.arange(samples), samples, "order", seed, epoch)


def own_rows(batch_size: int, rank: int, processes: int) -> slice:
    """The rows of the batch that one process answers for; 256 rows on 3 processes are 86, 85 and 85."""
    if not 0 <= rank < processes <= batch_size:
        raise ValueError(
            f"rank {rank} of {processes} processes does not fit a batch of {batch_size}: every process needs a row."
        )
    whole, rest = divmod(batch_size, processes)
    start = rank * whole + min(rank, rest)
    return slice(start, start + whole + (rank < rest))
