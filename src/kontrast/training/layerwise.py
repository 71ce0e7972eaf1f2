"""Layers near the input move less: what they know is general, and what stands on them relies on it.

    rate of layer n of L = rate x decay^(L - n)      heads, and what else is no layer of the encoder, learn at the rate

Howard and Ruder 2018 (arXiv:1801.06146) for language models; Bao et al. 2022 (BEiT, arXiv:2106.08254) for pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from kontrast.methods.method import Group


def layerwise(groups: Sequence[Group], layers: Sequence[Sequence[nn.Parameter]], decay: float) -> list[Group]:
    """The same parameters, each group cut by the layers (from the input on) that its parameters stand in.

    Raises ValueError for a decay outside (0, 1].
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be above 0 and at most 1, got {decay}")
    depth = {id(p): number for number, layer in enumerate(layers, start=1) for p in layer}
    found: list[Group] = []
    for group in groups:
        at: dict[int, list[nn.Parameter]] = {}
        for p in group.parameters:
            at.setdefault(depth.get(id(p), len(layers)), []).append(p)
        for number, some in sorted(at.items()):
            found.append(replace(group, parameters=some, scale=group.scale * decay ** (len(layers) - number)))
    return found
