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

from kontrast import keyed, methods
from kontrast.methods.method import Embeddings
from kontrast.verify import tiny_methods
from kontrast.verify.findings import Finding

DRAWS = 300  # of independent views, for what has no equal similarities


def check(names: Sequence[str] = tiny_methods.NAMES) -> list[Finding]:
    """|loss - guessing| / guessing at equal similarities; what older keys of the own sample add to a queue's loss."""
    found = []
    for name in names:
        measured, bound = apart(name), 0.02 if name == "barlow-twins" else 1e-6
        if methods.entry(name).outside and measured > bound:  # its guessing may be that of independent views
            measured, bound = drawn(name), 0.02
        if measured is not None:
            found.append(Finding("chance", f"{name}: loss at equal similarities - guessing", measured, bound))
        if _queue(tiny_methods.method(name)) is not None and name != "swav":
            found.append(Finding("chance", f"{name}: own older keys in a queue, K >= N", from_own_keys(name), 1e-10))
    return found


def _queue(method: Any) -> Any:
    return getattr(getattr(method, "negatives", None), "queue", None)


def apart(name: str) -> float:
    """How far the loss is from the guessing that is printed beside it, as a share."""
    if name == "barlow-twins":  # where outputs that are all equal correlate with nothing
        return drawn(name)
    method = tiny_methods.method(name)
    with torch.no_grad():
        outcome = method.compare(_equal(method, method.embed(tiny_methods.batch(name, 0))))
    return _share(float(outcome.loss), outcome.guessing)


def drawn(name: str) -> float:
    """The same in the mean over views that have nothing to do with each other."""
    method, total = tiny_methods.method(name), 0.0
    with torch.no_grad():
        z = method.embed(tiny_methods.batch(name, 0))
        for draw in range(DRAWS):
            roles = {role: _independent(like, draw, role) for role, like in z.roles.items()}
            outcome = method.compare(replace(z, roles=roles))
            total += float(outcome.loss)
    return _share(total / DRAWS, outcome.guessing)


def _independent(like: Tensor, draw: int, role: str) -> Tensor:
    key = (draw,) if role == "views" else (draw, role)
    return torch.randn(like.shape, generator=keyed.generator("chance", *key), dtype=torch.float64)


def _share(loss: float, guessing: float | None) -> float:
    """How far apart they are, as a share of the guessing; 0 where none is stated."""
    return 0.0 if guessing is None else abs(loss - guessing) / (guessing or 1.0)


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
