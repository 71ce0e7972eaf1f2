"""Faults as other people's code has them, planted into this process. Children of a check call them by name."""

import torch
import torch.distributed as dist

from kontrast import losses
from kontrast.distributed import gather, processes
from kontrast.training import checkpoints


def gather_without_gradient():
    """Only the own rows keep their gradient (many published codes; 1/W of it, or a wrong direction)."""
    own = gather._Gather.forward

    def backward(ctx, gradient):
        return gradient[ctx.start : ctx.stop], None

    gather._Gather.forward, gather._Gather.backward = own, staticmethod(backward)


def mean_over_processes():
    """What DistributedDataParallel does: the sum of the shares divided once more by their number."""
    summed = processes.sum_gradients

    def averaged(parameters):
        summed(parameters)
        for parameter in parameters:
            parameter.grad /= dist.get_world_size() if not gather._alone else 1

    processes.sum_gradients = averaged


def generator_not_replayed(chunks):
    """Pieces that are computed twice draw new drop-out masks."""
    real = chunks.checkpoint
    return lambda *args, **words: real(*args, preserve_rng_state=False, **words)


def without_queue(tensors, state, _save=checkpoints.save):
    """A checkpoint that forgets the queue."""
    return {name: t for name, t in tensors.items() if "keys_KD" not in name}


def half_log_sum_exp(views_VBD, *, temperature, **_):
    """NT-Xent with the softmax in fp16."""
    unit = torch.nn.functional.normalize(views_VBD.flatten(0, 1).double(), dim=1).half()
    logit_NN = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    partner_N = torch.arange(len(unit)).roll(len(unit) // 2)
    return (logit_NN.logsumexp(1) - logit_NN[torch.arange(len(unit)), partner_N]).mean().to(views_VBD.dtype)


REAL_NT_XENT = losses.nt_xent
