"""What a source of negatives is to a method: one contract, a source a file, listed in `extra.SOURCES`.

Shapes: B rows, V views, N keys shared by all rows, M of each row's own, D width, G width of a guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from kontrast.losses.engine.candidates import Guide

Keys: TypeAlias = tuple[Tensor, Tensor]  # vectors (N, D) and their names (N,)


class Rows(NamedTuple):
    """For whom negatives are wanted.

    query   (B, D) or (V, B, D);  name_B  the rows' names: equal names are never each other's negatives
    key     seed, step and whatever tells this call from others: all that a draw may depend on
    drawn   embeddings and names of the step's random draws;  batch  the batch's own keys and names
    """

    query: Tensor
    name_B: Tensor
    key: tuple[int, ...]
    drawn: Keys | None = None
    batch: Keys | None = None


class Source(nn.Module):
    """A source that adds nothing. Each one answers what it has to say; all but `push` is pure.

    adds      it brings more negatives than the batch's own rows
    chooses   its `own` are chosen among the shared keys, which then do not stand against every row themselves
    hardness  how negatives count: arguments of the losses, such as `beta`
    """

    adds = True
    chooses = False
    hardness: Mapping[str, Any] = {}

    def keys(self, rows: Rows) -> Keys | None:
        """Negatives that all rows share, (N, D), with their names (N,)."""
        return None

    def own(self, rows: Rows, bank: Sequence[Keys]) -> Tensor | None:
        """Negatives of each row alone, (..., B, M, D), from all keys there are."""
        return None

    def guide(self, guide_BG: Tensor, more_keys: int) -> Guide | None:
        """Which rows are no negatives, by another model's vectors of the samples; see `Extra.guide`."""
        return None

    def push(self, key_BD: Tensor, name_B: Tensor, step: int) -> None:
        """What a step leaves behind; all memory is in the state dict."""

    def diagnostics(self, step: int) -> dict[str, Tensor]:
        """Numbers for the watch."""
        return {}


def joined(keys: Sequence[Keys]) -> Keys:
    """All of them as one."""
    vectors, names = zip(*keys)
    return torch.cat(vectors), torch.cat(names)
