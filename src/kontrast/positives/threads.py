"""Blocks of pictures over torch's threads, each block drawn by one of them from its first step to its last.

The steps of a view are short. When torch shares out each of them, all threads meet after every one; here they meet once
for a batch. It also keeps the bits: a sum in one thread does not depend on how many threads there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

import torch


def over_threads(work: Callable[[slice], None], blocks: Sequence[slice], device: torch.device) -> None:
    """Call `work` with every block; on a CPU as many at a time as torch has threads."""
    threads, left = torch.get_num_threads(), iter(blocks)

    def some() -> None:
        for block in left:
            work(block)

    if threads == 1 or device.type != "cpu":
        some()
        return
    pool = _pool(threads, os.getpid())
    for done in [pool.submit(some) for _ in range(min(threads, len(blocks)))]:
        done.result()


@lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads in which torch uses no others; a forked process needs its own.

    torch keeps the number for each thread, and the last one said for threads to come: so the caller says its own again.
    """
    begun = Barrier(threads + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        begun.wait()

    pool = ThreadPoolExecutor(threads, "kontrast-views", initializer=begin)
    for _ in range(threads):
        pool.submit(int)
    begun.wait()
    torch.set_num_threads(threads)
    return pool
