"""A picture's views depend on its name and the epoch, on nothing else: not on workers, processes, batch or resume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images import papers
from kontrast.verify.findings import Finding

RECIPES = ("simclr-cifar", "byol", "swav")
COUNT, SIDE, BATCH, STEPS = 24, 32, 8, 3


def check(names: Sequence[str] = ()) -> list[Finding]:
    """The largest difference of any pixel, of 0 to 1 before normalising: none is allowed. The methods play no part."""
    found = []
    for name in RECIPES:
        plain = _epoch(name)
        ways = {
            "3 workers": _epoch(name, workers=3),
            "2 processes": _epoch(name, processes=2),
            "3 processes": _epoch(name, processes=3),
            "batches of 6": _epoch(name, batch=6),
            "begun in the middle": _epoch(name, start=1),
        }
        for way, views in ways.items():
            apart = max(float((plain[sample] - view).abs().max()) for sample, view in views.items())
            found.append(Finding("views", f"{name}: {way} = 1 worker, 1 process", apart, 0))
    return found


def _epoch(
    name: str, *, workers: int = 0, processes: int = 1, batch: int = BATCH, start: int = 0
) -> dict[tuple[int, int], Tensor]:
    """Every view of every picture of the first epoch by (sample, view)."""
    pixels = keyed.below(256, "verify views", np.arange(COUNT * 3 * SIDE * SIDE)).astype(np.uint8)
    source = open_source(pixels.reshape(COUNT, 3, SIDE, SIDE))
    recipe = papers.recipe(name, SIDE, 3)
    found = {}
    for rank in range(processes):
        batches = ImageBatches(source, Sampler(source.ids, batch, 7, STEPS, rank, processes), recipe, workers=workers)
        for step in range(start, COUNT // batch):
            made = batches(step)
            for v, view in enumerate(made.views):
                found.update({(int(i), v): picture for i, picture in zip(made.ids_B, torch.as_tensor(view))})
    return found
