"""More samples, drawn at random from the set for each step, beside the batch.

They are encoded with gradient, one view each, and are nobody's positive. How many there are belongs to the loss's
scale (guessing costs ln of the candidates), so the count is fixed for a run and in its record.

Shapes: N samples of the set, M draws.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kontrast import keyed
from kontrast.errors import Unfit


def positions(step: int, batch_size: int, samples: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Which places of this epoch's order are drawn at a step, int64 (M,): different ones, none of them in the batch.

    The order of an epoch puts the batch of place p at p * batch_size; the draws are a keyed choice among all others.
    """
    if count > samples - batch_size:
        raise Unfit(
            f"--negatives random:{count} asks for more samples than there are outside of a batch: {samples:,} less "
            f"{batch_size:,} in the batch."
        )
    end = (step % (samples // batch_size) + 1) * batch_size
    drawn = keyed.permuted(np.arange(count), samples - batch_size, "random negatives", seed, step)
    return (end + drawn) % samples
