"""How many false negatives a batch will hold: pairs of samples that are the same thing, counted before training.

    pairs    B (B - 1) / 2 times the share of all pairs that lie in one group
    rows     B times the share of rows that meet another of their group: 1 - C(N - n, B - 1) / C(N - 1, B - 1)

Both are exact for batches drawn without putting back, as the product draws them.

Shapes: N samples, B of a batch, n of a group.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from kontrast.keyed import Floats, Ids


def pairs(group_N: Ids, batch: int) -> float:
    """Expected pairs of one group in a batch."""
    total, sizes = len(group_N), _sizes(group_N)
    batch = min(batch, total)
    return float(batch * (batch - 1) / 2 * (sizes * (sizes - 1)).sum() / max(1, total * (total - 1)))


def rows(group_N: Ids, batch: int) -> float:
    """Expected rows of a batch that have another of their group in it."""
    total, sizes = len(group_N), _sizes(group_N)
    batch = min(batch, total)
    alone = np.zeros(len(sizes))
    room = total - sizes >= batch - 1  # else some other of the group is in every batch
    left = total - sizes[room]
    alone[room] = np.exp(_choose(left, batch - 1) - _choose(np.array(total - 1.0), batch - 1))
    return float(batch * (sizes / total * (1 - alone)).sum())


def _sizes(group_N: Ids) -> Floats:
    return np.unique(group_N, return_counts=True)[1].astype(np.float64)


def _choose(n: Floats, k: int) -> Floats:
    """The logarithm of the binomial coefficient."""
    found: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found
