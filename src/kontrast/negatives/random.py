"""More samples, drawn at random from the set for each step, beside the batch.

They are encoded with gradient, one view each, and are nobody's positive. How many there are belongs to the loss's
scale (guessing costs ln of the candidates), so the count is fixed for a run and in its record.

Shapes: N samples of the set, B of them in the batch, M draws.
"""

from __future__ import annotations

import numpy as np

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.negatives import Negatives
from kontrast.negatives.source import Keys, Rows, Source
from kontrast.similarity import Similarity


class Random(Source):
    """`random:M`, and captions changed by `rules`: what came beside the batch of the step and was encoded with it."""

    def keys(self, rows: Rows) -> Keys | None:
        return rows.drawn


def source(requested: Negatives, width: int, similarity: Similarity, seed: int) -> Random | None:
    """What stands beside the batches, where something does; rules for sentences alone make views instead."""
    return Random() if requested.random or requested.rules else None


def drawn(ids_N: Ids, batch_B: Ids, count: int, seed: int, step: int) -> Ids:
    """The ids of a step's draws, int64 (M,): different samples, none of them in the batch (of all processes)."""
    N, B = len(ids_N), len(batch_B)
    if count > N - B:
        raise Unfit(
            f"--negatives random:{count} asks for more samples than there are outside of a batch: {N:,} less {B:,}."
        )
    first = ids_N[keyed.permuted(np.arange(count + B), N, "random negatives", seed, step)]
    chosen: Ids = first[~np.isin(first, batch_B)][:count]
    return chosen
