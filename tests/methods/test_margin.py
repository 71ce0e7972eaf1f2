"""The margin loss laid over a method: Hadsell, Chopra and LeCun 2006 by hand, in pieces and in two processes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from kontrast.data.sampler import own_rows
from kontrast.distributed import gather, processes
from kontrast.methods.method import Embeddings
from kontrast.methods.supervised import supervised
from kontrast.verify import chunks, multiprocess, tiny_methods


def by_hand(first: np.ndarray, second: np.ndarray, similar: list[bool], margin: float, kind: str):
    """Hadsell, Chopra, LeCun 2006, equation 4, pair by pair: (mean loss, gradients by first and by second)."""
    total, gradients = 0.0, np.zeros((2, *first.shape))
    for row, (a, b, alike) in enumerate(zip(first, second, similar)):
        if kind == "euclidean":
            d = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))
            by_a, by_b = (a - b) / d, (b - a) / d
        else:
            na, nb = math.sqrt(a @ a), math.sqrt(b @ b)
            cosine = (a @ b) / (na * nb)
            d = 1 - cosine
            by_a, by_b = -(b / (na * nb) - cosine * a / na**2), -(a / (na * nb) - cosine * b / nb**2)
        total += d * d / 2 if alike else max(0.0, margin - d) ** 2 / 2
        slope = d if alike else -max(0.0, margin - d)
        gradients[0, row], gradients[1, row] = slope * by_a, slope * by_b
    return total / len(first), gradients / len(first)


def scored_batch(name: str, step: int):
    """The batch of a step, every third row similar; sentences in their second half other ones."""
    batch = tiny_methods.batch(name, step)
    similar = (batch.ids_B % 3 == 0).double()[:, None]
    views = batch.views
    if isinstance(views[0], dict):
        views = (views[0], {key: part.roll(1, 0) for key, part in views[1].items()})
    return replace(batch, views=views, given={"similar": similar})


def gradient_of(name: str, batch, size: int = 0):
    method = tiny_methods.method(name, norm="group")
    method.negatives.queue = None
    return chunks._step(supervised(method, name, scored=True, grouped=False), batch, size)


def in_a_world(name: str) -> float:
    """In each process: the gradient of the joined step against that of one process on all rows."""
    whole = scored_batch(name, 1)
    part = tiny_methods.rows_of(whole, own_rows(tiny_methods.ROWS, gather.rank(), gather.processes()))
    ours = gradient_of(name, part)
    with gather.alone():
        wanted = gradient_of(name, whole)
    return processes.largest(tiny_methods.distance(ours, wanted))[0]


@pytest.mark.parametrize("kind", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", ["simclr", "simcse"])
def test_the_step_is_hadsells(name: str, kind: str) -> None:
    """Loss and gradient of `compare` in float64, guessing and signs with them."""
    draw = torch.Generator().manual_seed(0)
    views = torch.randn(2, 7, 16, dtype=torch.float64, generator=draw, requires_grad=True)
    alike = [True, False, False, True, False, True, False]
    method = tiny_methods.method(name)
    method.config = replace(method.config, margin=4.0 if kind == "euclidean" else 0.9, similarity=kind, negatives="")
    method.negatives.requested = replace(method.negatives.requested, mixed=0)
    similar = torch.tensor(alike, dtype=torch.float64)[:, None]
    z = Embeddings({"views": views, "similar": similar}, torch.arange(7), 0, 9, 0, views[0].detach())
    outcome = supervised(method, name, scored=True, grouped=False).compare(z)
    outcome.loss.backward()
    margin = method.config.margin
    loss, gradients = by_hand(*views.detach().numpy(), alike, margin, kind)
    assert float(outcome.loss.detach()) == pytest.approx(loss, abs=1e-12)
    np.testing.assert_allclose(views.grad.numpy(), gradients, atol=1e-12)
    assert outcome.guessing == pytest.approx(min(3 / 7 * d**2 / 2 + 4 / 7 * max(0, margin - d) ** 2 / 2
                                                 for d in np.linspace(0, margin, 10_001)), rel=1e-6)  # fmt: skip
    assert {"similar", "similar_apart", "dissimilar_apart"} <= outcome.diagnostics.keys()
    assert float(outcome.diagnostics["similar"]) == pytest.approx(3 / 7, rel=1e-6)


@pytest.mark.parametrize("name", ["simclr", "simcse"])
def test_chunks_are_the_whole(name: str) -> None:
    whole, cut = (gradient_of(name, scored_batch(name, 1), size) for size in (0, 7))
    assert tiny_methods.distance(cut, whole) < 1e-10


@pytest.mark.parametrize("name", ["simclr", "simcse"])
def test_two_processes_are_one(name: str) -> None:
    assert multiprocess.ask(2, in_a_world, name) < 1e-8
