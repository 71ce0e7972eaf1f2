"""The check of chunks is red where pieces are not the whole."""

from functools import partial

import torch
from tests.verify import faults

from kontrast.training import chunks as cutting
from kontrast.verify import chunks, tiny_methods


def reds(findings):
    return {finding.what for finding in findings if not finding.passed}


def test_chunks_are_the_whole_for_every_method():
    assert not reds(chunks.check())


def test_drop_out_that_is_not_replayed_is_seen(monkeypatch):
    monkeypatch.setattr(cutting, "checkpoint", faults.generator_not_replayed(cutting))
    assert chunks.replayed() > 1e-3


def test_pieces_compared_alone_are_seen(monkeypatch):
    """Gradient accumulation, which others call a large batch."""
    monkeypatch.setattr(chunks, "_step", partial(accumulated, chunks._step))
    assert chunks.apart("simclr", torch.float64) > 0.01


def accumulated(step, method, batch, size=0, *rest, **words):
    if not size:
        return step(method, batch, *rest, **words)
    parts = [slice(start, start + size) for start in range(0, tiny_methods.ROWS, size)]
    gradients_of = [step(method, tiny_methods.rows_of(batch, part), *rest, **words) for part in parts]
    return {name: sum(g[name] for g in gradients_of) / len(parts) for name in gradients_of[0]}
