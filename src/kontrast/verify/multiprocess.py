"""Several processes on this machine for a check, started from one warm process so that a world costs little."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from kontrast.errors import Failed

PATIENCE = 900  # seconds for all that a world is asked; one call between processes has a minute


def warm() -> multiprocessing.context.ForkServerContext:
    """Where processes come from that have imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kontrast.verify.gradients", "kontrast.run.start"])
    return context


def ask(processes: int, work: Callable[..., Any], *words: Any, before: Callable[[], None] | None = None) -> Any:
    """What `work(*words)` gives in the first of several gloo processes, all of which call it.

    before  is called first in each of them: tests plant a fault there
    """
    return begun(processes, work, *words, before=before)()


def begun(
    processes: int, work: Callable[..., Any], *words: Any, before: Callable[[], None] | None = None
) -> Callable[[], Any]:
    """`ask` in two parts, for worlds side by side: they start now, and what comes back waits for the answer."""
    context = warm()
    hears, says = context.Pipe(duplex=False)
    folder = tempfile.TemporaryDirectory()
    meeting = str(Path(folder.name) / "meeting")
    world = [
        context.Process(target=_one, args=(rank, processes, meeting, says, work, words, before), daemon=True)
        for rank in range(processes)
    ]
    for process in world:
        process.start()
    says.close()

    def answered() -> Any:
        try:
            done, answer = hears.recv() if hears.poll(PATIENCE) else (False, f"no answer within {PATIENCE} seconds")
        except EOFError:
            done, answer = False, "all processes ended without an answer"
        for process in world:
            process.join(10)
            process.kill()
        folder.cleanup()
        if not done:
            raise Failed(f"{processes} processes on this machine did not work together: {answer}")
        return answer

    return answered


def _one(
    rank: int, processes: int, meeting: str, says: Connection, work: Any, words: tuple[Any, ...], before: Any
) -> None:
    torch.set_num_threads(1)
    try:
        store: Any = vars(dist)["FileStore"](meeting, processes)  # torch names it without exporting it
        dist.init_process_group("gloo", store=store, rank=rank, world_size=processes, timeout=timedelta(seconds=60))
        if before is not None:
            before()
        answer = work(*words)
        if rank == 0:
            says.send((True, answer))
    except Exception:
        says.send((False, traceback.format_exc(limit=-3)))
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
