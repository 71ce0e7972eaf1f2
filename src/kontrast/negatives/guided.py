"""A guide: rows of the batch that another model finds nearly the same sample are not negatives (`losses.Guide`).

Shapes: B rows, K keys, G width of the guide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kontrast.losses.engine.candidates import Guide
from kontrast.negatives import Negatives
from kontrast.negatives.source import Source
from kontrast.similarity import Similarity


class Guided(Source):
    """`guide:FOLDER`, with the `margin:M` below a cosine of 1 from which two are taken for the same."""

    adds = False

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def guide(self, guide_BG: Tensor, more_keys: int) -> Guide:
        key_KG = torch.cat([guide_BG, guide_BG.new_zeros(more_keys, guide_BG.shape[1])])
        return Guide(guide_BG, key_KG, self.margin)


def source(requested: Negatives, width: int, similarity: Similarity, seed: int) -> Guided | None:
    """The guide that was asked for."""
    return Guided(requested.margin) if requested.guide else None
