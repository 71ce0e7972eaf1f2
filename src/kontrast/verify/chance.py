"""The value of pure guessing is what the loss gives when all similarities are equal; and no sample is its own negative.

A queue that is as long as the data holds every sample's own older keys: published codes push a sample away from itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kontrast import keyed
from kontrast.methods.method import Embeddings
from kontrast.verify import tiny_methods
from kontrast.verify.findings import Finding

DRAWS = 300  # of independent views, for what has no equal similarities


def check(names: Sequence[str] = tiny_methods.NAMES) -> list[Finding]:
    """|loss - guessing| / guessing at equal similarities; what older keys of the own sample add to a queue's loss."""
    found = []
    for name in names:
        bound = 0.02 if name == "barlow-twins" else 1e-6
        found.append(Finding("chance", f"{name}: loss at equal similarities - guessing", apart(name), bound))
        if _queue(tiny_methods.method(name)) is not None and name != "swav":
            found.append(Finding("chance", f"{name}: own older keys in a queue, K >= N", from_own_keys(name), 1e-10))
    return found


def _queue(method: Any) -> Any:
    return getattr(getattr(method, "negatives", None), "queue", None)


def apart(name: str) -> float:
    """How far the loss is from the guessing that is printed beside it, as a share."""
    method = tiny_methods.method(name)
    with torch.no_grad():
        z = method.embed(tiny_methods.batch(name, 0))
        if name == "barlow-twins":
            losses = []
            for draw in range(DRAWS):
                views = torch.randn(z["views"].shape, generator=keyed.generator("chance", draw), dtype=torch.float64)
                losses.append(method.compare(replace(z, roles={"views": views})))
            loss, guessing = sum(float(o.loss) for o in losses) / DRAWS, losses[0].guessing
        else:
            outcome = method.compare(_equal(method, z))
            loss, guessing = float(outcome.loss), outcome.guessing
    return float(abs(loss - guessing) / guessing)


def _equal(method: Any, z: Embeddings) -> Embeddings:
    """All rows the same, those in the queue too; targets at right angles, which is what guessing means for BYOL."""
    places = {"target": 1}
    roles = {name: _along(role, places.get(name, 0)) for name, role in z.roles.items()}
    if (queue := _queue(method)) is not None:
        queue.keys_KD.copy_(_along(queue.keys_KD, 0))
    if hasattr(method, "prototypes"):
        for prototype_KD in method.prototypes.parameters():
            prototype_KD.copy_(_along(prototype_KD, 0))
    return replace(z, roles=roles)


def _along(like: Tensor, place: int) -> Tensor:
    equal = torch.zeros_like(like)
    equal[..., place] = 1.0
    return equal


def from_own_keys(name: str) -> float:
    """The change of the loss when keys move that bear the rows' own name: no row may see them."""
    losses = []
    for where in (1.0, -1.0):
        method = tiny_methods.method(name)
        method.negatives.requested = replace(method.negatives.requested, mixed=0)
        queue = _queue(method)
        with torch.no_grad():
            z = method.embed(tiny_methods.batch(name, 0))
            keys_BD = torch.nn.functional.normalize(z["key" if "key" in z.roles else "views"][0], dim=-1)
            queue.keys_KD.copy_(where * keys_BD[torch.arange(len(queue)) % len(keys_BD)])
            queue.names_K.fill_(7)
            losses.append(float(method.compare(replace(z, ids_B=torch.full_like(z.ids_B, 7))).loss))
    return abs(losses[0] - losses[1]) if math.isfinite(losses[0]) else math.inf
