"""Positives from the same group: two pictures of one product, scene or class instead of two views of one picture.

Which member a sample is paired with is drawn anew each epoch, a pure function of (seed, epoch, sample id). A sample
that is alone in its group is its own partner (two views of it), so nothing is lost. Groups travel with the batch
(`Batch.groups_B`): equal groups are positives or left out by the loss, never negatives.

Source: Khosla 2020, Supervised Contrastive Learning (several positives per anchor).

Shapes: M usable samples, B asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kontrast import keyed
from kontrast.keyed import Ids


@dataclass(frozen=True)
class Members:
    """The usable samples of each group, as slices of one sorted array."""

    ids_M: Ids  # sorted by group, then id
    start_N: Ids  # by sample id: where its group begins in ids_M
    count_N: Ids  # by sample id: members of its group; 0 for samples that are not usable
    place_N: Ids  # by sample id: its own place within its group

    @classmethod
    def of(cls, groups_N: Ids, ids_M: Ids) -> Members:
        """Index the usable ids by their group."""
        order_M = ids_M[np.lexsort((ids_M, groups_N[ids_M]))]
        _, first, inverse, counts = np.unique(
            groups_N[order_M], return_index=True, return_inverse=True, return_counts=True
        )
        start_N, count_N, place_N = (np.zeros(len(groups_N), dtype=np.int64) for _ in range(3))
        start_N[order_M] = first[inverse]
        count_N[order_M] = counts[inverse]
        place_N[order_M] = np.arange(len(order_M)) - first[inverse]
        return cls(order_M, start_N, count_N, place_N)

    def partner(self, ids_B: Ids, seed: int, epoch: int) -> Ids:
        """Another member of each sample's group, all others equally likely; the sample itself where it is alone."""
        others_B = self.count_N[ids_B] - 1
        if (others_B < 0).any():
            raise ValueError(f"ids: {ids_B[others_B < 0][:3].tolist()} are not among the usable samples.")
        step_B = np.floor(keyed.uniform("partner", seed, epoch, ids_B) * others_B).astype(np.int64)
        step_B += (step_B >= self.place_N[ids_B]) & (others_B > 0)
        partner_B: Ids = self.ids_M[self.start_N[ids_B] + step_B]
        return partner_B
