"""Several processes, launched by torchrun: what the loop needs of them beside the one gather.

Every gradient is the plain sum over processes (see negatives/across.py). Only rank 0 writes and prints.
"""

from __future__ import annotations

import datetime
import os

import torch
import torch.distributed as dist
from torch import Tensor, nn

from kontrast.negatives.across import processes, rank

TIMEOUT = datetime.timedelta(minutes=10)  # a rank that died is noticed after this long at the latest


def launched() -> bool:
    """True under torchrun."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def join(device: torch.device) -> None:
    """Meet the other processes: NCCL on GPUs, gloo on CPUs."""
    if launched() and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)


def leave() -> None:
    """Part from the other processes."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def first() -> bool:
    """True for the one process that writes and prints."""
    return rank() == 0


def summed(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, without gradient."""
    if processes() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def agreed(wish: bool) -> bool:
    """True everywhere if it is true in any process: nobody leaves the loop alone."""
    if processes() == 1:
        return wish
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    return bool(summed(torch.tensor([float(wish)], device=device)) > 0)


def sum_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its sum over processes: one flat message per dtype."""
    if processes() == 1:
        return
    for dtype in {p.dtype for p in parameters}:
        gradients = [p.grad for p in parameters if p.dtype == dtype and p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        for gradient, summed_part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(summed_part.view_as(gradient))
