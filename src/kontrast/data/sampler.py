"""Which samples make a step: a pure function of (seed, step), never remembered.

    sample at position p of epoch e  =  ids[permuted(p, N, seed, e)]

Nothing is stored and nothing is replayed, so resuming costs nothing and the order is the same for any number of workers
and processes. The remainder of an epoch that does not fill a batch is left out; which samples that hits changes with
the epoch.

Shapes: N usable samples, B samples of the whole batch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kontrast import keyed
from kontrast.data.pixels.store import Ids
from kontrast.errors import Unfit

SMALL = 1 << 16  # samples; up to here the shuffle of an epoch is made once, above it step by step


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
