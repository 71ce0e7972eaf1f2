"""Which samples have other neighbours in another space: two models compared where their scores are silent.

For a sample, its k nearest in one space are looked up in the other: their place there, as a share of all samples, is 0
where nothing has changed and 0.5 where they might as well be drawn by lot. The change of a sample is the mean over its
k nearest of both spaces.

Shapes: N samples, k neighbours, A and B widths of the spaces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from kontrast import progress
from kontrast.evaluate.knn import Vectors
from kontrast.keyed import Ids

BLOCK = 256  # samples whose whole rows of similarities are held at a time


@dataclass(frozen=True)
class Changes:
    """What became of the neighbours, from the first space to the second.

    first, second  (N, k) the nearest in each space, best first
    change         (N,) from 0 (the same neighbours) to about 0.5 (none has to do with the other)
    kept           (N,) share of the k nearest that are among the k nearest in both
    """

    first: Ids
    second: Ids
    change: npt.NDArray[np.float64]
    kept: npt.NDArray[np.float64]

    def most(self, count: int) -> list[int]:
        """The samples that changed most: how far, times the share that was lost; equal ones by number."""
        lost = self.change * (1 - self.kept)
        order: list[int] = np.lexsort((np.arange(len(lost)), -lost))[:count].tolist()
        return order


def changes(first_NA: Vectors, second_NB: Vectors, k: int = 10) -> Changes:
    """Compare the neighbours (by cosine) that the same N samples have in two spaces, of any widths.

    Raises ValueError for spaces of different samples, and for a k outside 1..N-1.
    """
    spaces = [normalize(torch.as_tensor(space).float(), dim=1) for space in (first_NA, second_NB)]
    count = len(spaces[0])
    if len(spaces[1]) != count:
        raise ValueError(f"both spaces must hold the same samples; got {count} and {len(spaces[1])}.")
    if not 1 <= k < count:
        raise ValueError(f"k must lie between 1 and the {count - 1} other samples; got {k}.")
    near: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    far = []
    for start in progress.passing(range(0, count, BLOCK), "comparing neighbours", each=BLOCK, total=count):
        own = torch.arange(start, min(start + BLOCK, count))
        places = []
        for number, space in enumerate(spaces):
            score_BN = space[own] @ space.T
            score_BN[torch.arange(len(own)), own] = -torch.inf  # nobody is its own neighbour
            order_BN = score_BN.argsort(dim=1, descending=True, stable=True)
            near[number].append(order_BN[:, :k])
            place_BN = torch.empty_like(order_BN)
            place_BN.scatter_(1, order_BN, torch.arange(count).expand_as(order_BN))
            places.append(place_BN)
        moved = [places[1 - number].gather(1, near[number][-1]).double() for number in (0, 1)]
        ideal = (k - 1) / 2  # the mean place where nothing has changed
        far.append((torch.cat(moved, dim=1).mean(dim=1) - ideal).clamp(min=0) / max(1, count - 1 - ideal))
    first, second = (torch.cat(side) for side in near)
    kept = (first[:, :, None] == second[:, None, :]).any(dim=2).double().mean(dim=1)
    return Changes(first.numpy(), second.numpy(), torch.cat(far).numpy(), kept.numpy())
