"""Blocks of pictures over torch's threads.

Pictures that are handled one by one: each block is drawn by one thread from its first step to its last, and the threads
meet once for a batch. Pictures that are handled together: torch shares out each step, because Python lets one thread at
a time begin a step, and steps on many small pictures are too short to hide the wait (two threads took as long as one).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

import torch


def over_threads(work: Callable[[slice], None], blocks: Sequence[slice], *, together: bool) -> None:
    """Call `work` with every block: one by one if the pictures in it go together, else in as many threads as torch."""
    threads, left = torch.get_num_threads(), iter(blocks)

    def some() -> None:
        for block in left:
            work(block)

    if threads == 1 or together:
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
