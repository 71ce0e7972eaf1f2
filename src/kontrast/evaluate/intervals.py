"""How far a measured share may be from the true one."""

from __future__ import annotations

import math


def wilson(share: float, count: float) -> list[float]:
    """The 95 % interval of a share seen in `count` trials (Wilson 1927)."""
    z2 = 1.959964**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count * count))) / (1 + z2 / count)
    return [max(0.0, centre - half), min(1.0, centre + half)]
