"""How much each negative counts: harder ones more (HCL), and a share of them not at all (debiased).

The equations are in `losses.engine.candidates`, which does the work.
"""

from __future__ import annotations

from kontrast.negatives import Negatives
from kontrast.negatives.source import Source
from kontrast.similarity import Similarity


class Weighted(Source):
    """`reweighted:B` and `debiased:P`."""

    adds = False

    def __init__(self, requested: Negatives) -> None:
        super().__init__()
        self.hardness = {"tau_plus": requested.tau_plus, "beta": requested.beta}


def source(requested: Negatives, width: int, similarity: Similarity, seed: int) -> Weighted | None:
    """The weights that were asked for."""
    return Weighted(requested) if requested.beta or requested.tau_plus else None
