"""The seam: every method answers three questions, and the loop asks them in order.

    embed(batch) -> Embeddings          row by row: encoder and head. No row needs another.
    compare(embeddings) -> Outcome      across rows: similarity, negatives, loss. Pure: nothing moves.
    after_step(outcome, progress)       the only memory (twin, queue, prototypes), once per optimizer step, after it.

Everything hard lies between the verbs and is written once: chunks cut `embed`, several processes gather before
`compare`, evaluation takes the encoder without its head, tests call `compare` on made-up vectors.

Several processes: after `Embeddings.joined()` the roles hold the rows of all processes, `rows` says which are ours.
`Outcome.loss` is this process's *share*: all shares add up to the loss of one process on the joined batch.

Shapes: B rows of this process's batch (of the joined batch after `joined`), V views, D embedding, H encoder width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from kontrast.distributed import gather

Item: TypeAlias = Any  # pictures, a tensor (B, C, height, width); or tokens, {name: (B, length)}


@dataclass(frozen=True)
class Batch:
    """What `embed` sees: the views of B samples, and who they are."""

    views: tuple[Item, ...]  # pictures: one per view; pairs: (image, text); (anchor, positive, hard negative); (a, b)
    ids_B: Tensor  # int64, place of each sample in the sorted listing of its source
    step: int  # optimizer step, from 0
    total: int  # steps of the whole run
    seed: int
    groups_B: Tensor | None = None  # int64; equal groups are never each other's negatives
    others: Batch | None = None  # more samples in one view each, nobody's positives (`--negatives random:N`)
    given: Mapping[str, Tensor] = field(default_factory=dict)  # (B, width) each: `guide` vectors; `similar`, 1 or 0

    @property
    def names_B(self) -> Tensor:
        """Who is who: groups where there are some, else samples. Equal names are never each other's negatives."""
        return self.ids_B if self.groups_B is None else self.groups_B


@dataclass(frozen=True)
class Embeddings:
    """Named role tensors, (..., B, D), and who their rows are.

    `features_BH` is the encoder's own output for the first view, detached: for the watch, never for the loss.
    """

    roles: Mapping[str, Tensor]
    ids_B: Tensor
    step: int
    total: int
    seed: int
    features_BH: Tensor
    groups_B: Tensor | None = None
    rows: slice = field(default_factory=lambda: slice(None))
    other_names_N: Tensor | None = None

    @property
    def names_B(self) -> Tensor:
        """Who is who: groups where there are some, else samples."""
        return self.ids_B if self.groups_B is None else self.groups_B

    @property
    def others(self) -> tuple[Tensor, Tensor] | None:
        """The role "others", (N, D), and its names (N,): more samples that are nobody's positives."""
        return None if self.other_names_N is None else (self.roles["others"], self.other_names_N)

    @classmethod
    def of(cls, batch: Batch, features_BH: Tensor, **roles: Tensor) -> Embeddings:
        """The embeddings of a batch, one role tensor per keyword, in float32 or wider: comparing never runs in half."""
        given = roles | dict(batch.given)
        roles = {name: role.to(torch.promote_types(role.dtype, torch.float32)) for name, role in given.items()}
        return cls(
            roles, batch.ids_B, batch.step, batch.total, batch.seed, features_BH.detach(), batch.groups_B,
            other_names_N=None if batch.others is None else batch.others.names_B,
        )  # fmt: skip

    def __getitem__(self, role: str) -> Tensor:
        return self.roles[role]

    def joined(self) -> Embeddings:
        """The rows of all processes, in process order; with one process, itself."""
        if gather.processes() == 1:
            return self
        ids_B, rows = gather.gather_rows(self.ids_B, dim=0)
        roles = {name: gather.gather_rows(role, dim=-2)[0] for name, role in self.roles.items()}
        groups_B = None if self.groups_B is None else gather.gather_rows(self.groups_B, dim=0)[0]
        other_names_N = None if self.other_names_N is None else gather.gather_rows(self.other_names_N, dim=0)[0]
        return replace(self, roles=roles, ids_B=ids_B, groups_B=groups_B, rows=rows, other_names_N=other_names_N)


@dataclass(frozen=True)
class Outcome:
    """What comparing gave.

    loss      scalar with gradient: this process's share of the joined loss
    guessing  the loss of pure guessing (equal similarities), in the loss's own units; None where it is not known
    pair      two projector outputs of the same items, (B, D) each, detached: what the watch looks at
    diagnostics     the method's own words for the watch, name -> number
    """

    loss: Tensor
    guessing: float | None
    embeddings: Embeddings
    pair: tuple[Tensor, Tensor]
    diagnostics: Mapping[str, float | Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Where the run stands when `after_step` is called: `step` optimizer steps done of `total`."""

    step: int
    total: int


@dataclass
class Group:
    """Parameters that the optimizer treats alike. What is special about them is said here, never known by the loop.

    decay          weight decay applies
    adapt          layer-wise rate adaptation (LARS) applies
    scale          factor on the learning rate
    frozen_until   optimizer step before which their gradients are dropped (SwAV's prototypes)
    """

    parameters: list[nn.Parameter]
    decay: bool = True
    adapt: bool = True
    scale: float = 1.0
    frozen_until: int = 0


class Method(Protocol):
    """A final `nn.Module` with an `encoder` and the three verbs. Nothing inherits; this protocol is only the shape."""

    encoder: nn.Module

    def embed(self, batch: Batch) -> Embeddings: ...
    def compare(self, z: Embeddings) -> Outcome: ...
    def after_step(self, outcome: Outcome, progress: Progress) -> None: ...
    def parameter_groups(self) -> list[Group]: ...
    def parameters(self) -> Iterable[nn.Parameter]: ...
    def state_dict(self) -> dict[str, Any]: ...


def encoded(module: nn.Module, views: Sequence[Tensor]) -> Tensor:
    """(V, B, H): views of one size go through together, one forward pass per size (multi-crop's small crops apart)."""
    features: list[Tensor] = []
    start = 0
    while start < len(views):
        stop = start
        while stop < len(views) and views[stop].shape == views[start].shape:
            stop += 1
        features.append(module(torch.cat(list(views[start:stop]))).unflatten(0, (stop - start, -1)))
        start = stop
    return torch.cat(features)


def groups(module: nn.Module) -> list[Group]:
    """The usual split: weights (two or more axes) decay and adapt; biases and norms do neither."""
    trained = [p for p in module.parameters() if p.requires_grad]
    weights, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [Group(weights), Group(others, decay=False, adapt=False)]
