"""Several processes, launched by torchrun: what the loop needs of them beside the one gather.

Every gradient is the plain sum over processes (see negatives/across.py). Only rank 0 writes and prints. What fails in
one process is told in all of them, in a sentence, so that none waits for one that is gone.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from kontrast.distributed.gather import processes, rank
from kontrast.errors import Failed, Unfit

TIMEOUT = datetime.timedelta(minutes=10)  # a process that hangs is noticed after this long; one that died, at once
LETTERS = 1000  # bytes of a sentence that is passed on


def launched() -> bool:
    """True under torchrun."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def restarted() -> bool:
    """True when torchrun starts us again after a process was lost."""
    return launched() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes that torchrun launched are one run: gloo between CPUs, NCCL between GPUs."""
    ours = launched() and not dist.is_initialized()
    if ours:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        store, place, count = next(rendezvous("env://", timeout=TIMEOUT))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # or a new start meets the addresses of the old one
        dist.init_process_group(
            backend, store=PrefixStore(f"kontrast/{attempt}", store), rank=place, world_size=count, timeout=TIMEOUT
        )
    try:
        yield
    except RuntimeError as problem:
        if isinstance(problem, Failed) or processes() == 1 or not _lost(problem):
            raise
        raise Failed(
            f"Another process of this run ended or kept silent for {TIMEOUT.total_seconds() / 60:g} minutes, so this "
            "one cannot go on. The last checkpoint is kept: kontrast train --resume goes on from it."
        ) from problem
    finally:
        if ours:
            leave()


def _lost(problem: RuntimeError) -> bool:
    """Whether a collective call says that somebody is gone: gloo has only words for it."""
    words = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Timed out waiting")
    return isinstance(problem, dist.DistError) or any(word in str(problem) for word in words)


def leave() -> None:
    """Part from the other processes; afterwards each is alone."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def first() -> bool:
    """True for the one process that writes and prints."""
    return int(os.environ["RANK"]) == 0 if launched() else rank() == 0


def device(name: str | None) -> torch.device:
    """The device of this process: under torchrun each takes the GPU of its place on the host."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if not launched() or not name.startswith("cuda"):
        return torch.device(name)
    if name != "cuda" and processes() > 1:
        raise Unfit(f"--device {name} would put all processes on one GPU; say --device cuda and each takes its own.")
    if local >= there:
        raise Unfit(f"Process {local} of this host finds {there} GPUs: start at most {there} processes here.")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def threads() -> int:
    """Processor threads of this process: torchrun gives each one, we share out the cores of the host."""
    if not launched():
        return torch.get_num_threads()
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


@contextmanager
def all_or_none() -> Iterator[list[str]]:
    """What fails in one process inside fails in all, with the first one's sentence. Nothing inside may communicate.

    Words put into the list must be the same in all processes: that they are about to make the same run.
    """
    same: list[str] = []
    failure: Exception | None = None
    try:
        yield same
    except Exception as problem:
        failure = problem
    told = _told_by_all("" if failure is None else _sentence(failure), (failure is not None and _code(failure)) or 0)
    if failure is not None:
        raise _everywhere(failure) if processes() > 1 and isinstance(failure, Unfit | Failed) else failure
    for code, text in told:
        if code:
            raise _everywhere(Unfit(text) if code == Unfit.exit_code else Failed(text))
    digests = [text for _, text in _told_by_all(hashlib.blake2b("\0".join(same).encode()).hexdigest(), 0)]
    if len(set(digests)) > 1:
        odd = next(place for place, digest in enumerate(digests) if digest != digests[0])
        raise _everywhere(
            Unfit(f"Process {odd} would make another run than process 0: other data, flags or checkpoints on its host?")
        )


def _sentence(problem: Exception) -> str:
    return (
        str(problem) if isinstance(problem, Unfit | Failed) else f"failed inside: {type(problem).__name__}: {problem}"
    )


def _code(problem: Exception) -> int:
    return problem.exit_code if isinstance(problem, Unfit | Failed) else Failed.exit_code


def _everywhere(problem: Unfit | Failed) -> Unfit | Failed:
    """A failure that all processes have: the first one prints it."""
    problem.printed = not first()
    return problem


def failed(sentence: str) -> Failed:
    """A failure that all processes find at the same moment."""
    problem = Failed(sentence)
    _everywhere(problem)
    return problem


def _told_by_all(text: str, code: int) -> list[tuple[int, str]]:
    """(code, text) of every process, in process order."""
    if processes() == 1:
        return [(code, text)]
    mine = torch.zeros(LETTERS + 1, dtype=torch.uint8)
    letters = text.encode()[:LETTERS]
    mine[0] = code
    mine[1 : 1 + len(letters)] = torch.frombuffer(bytearray(letters), dtype=torch.uint8) if letters else mine[:0]
    everyone = [torch.empty_like(mine) for _ in range(processes())]
    dist.all_gather(everyone, mine)
    return [(int(t[0]), bytes(t[1:].tolist()).rstrip(b"\0").decode(errors="ignore")) for t in everyone]


def summed(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, without gradient."""
    if processes() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def largest(*numbers: float) -> list[float]:
    """The largest of each number over all processes: nobody leaves the loop alone."""
    if processes() == 1:
        return [float(number) for number in numbers]
    together = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(together, dist.ReduceOp.MAX)
    return [float(number) for number in together]


def sum_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its sum over processes: one flat message per dtype."""
    if processes() == 1:
        return
    for dtype in dict.fromkeys(p.dtype for p in parameters):
        gradients = [p.grad for p in parameters if p.dtype == dtype and p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        for gradient, summed_part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(summed_part.view_as(gradient))
