"""All that a method adds to the batch's own rows, in one place: what `compare` reads and `after_step` keeps.

Shapes: B rows, V views, N added keys shared by all rows, M of each row's own, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from kontrast.losses.engine.candidates import Guide
from kontrast.negatives import Negatives, false_negatives, guided, hard, parsed, queue, random, weighting
from kontrast.negatives.source import Keys, Rows, Source, joined
from kontrast.similarity import Similarity

__all__ = ["SOURCES", "Extra", "Keys", "More"]

SOURCES: dict[str, Callable[[Negatives, int, Similarity, int], Source | None]] = {  # None: it was not asked for
    "queue": queue.source,
    "random": random.source,
    "hard": hard.source,
    "weighting": weighting.source,
    "guided": guided.source,
}


class More(NamedTuple):
    """Negatives beside the batch's own: shared by all rows (N, D) with names (N,), and each row's (..., B, M, D)."""

    shared_ND: Tensor
    names_N: Tensor
    own: Tensor | None
    count_B: Tensor  # how many of them each row has

    @property
    def for_loss(self) -> dict[str, Any]:
        """The same as a loss takes it."""
        return {"negatives_KD": self.shared_ND, "negative_ids_K": self.names_N, "own_negatives": self.own}


class Extra(nn.Module):
    """The sources that were asked for, added up, for a method of `width` dimensions.

    `extra(...)` is pure. `push` is for `after_step`. `hardness` goes to the loss as it is.
    """

    def __init__(self, requested: str | Negatives, width: int, similarity: Similarity, *, seed: int) -> None:
        super().__init__()
        self.requested = parsed(str(requested))
        for name, made in SOURCES.items():  # named in the state dict
            setattr(self, name, made(self.requested, width, similarity, seed))

    def sources(self) -> Iterator[Source]:
        """Those that were asked for."""
        return (part for part in self.children() if isinstance(part, Source))

    def forward(
        self,
        query: Tensor,
        name_B: Tensor,
        key: tuple[int, ...],
        *,
        drawn: Keys | None = None,
        batch: Keys | None = None,
    ) -> More:
        """What is added for these queries; the arguments are those of `source.Rows`.

        Where a source chooses, it chooses among the added keys alone; else it may start from the batch's own too.
        """
        rows = Rows(query, name_B, key, drawn, batch)
        keys = [found for source in self.sources() if (found := source.keys(rows)) is not None]
        chosen = any(source.chooses for source in self.sources())
        bank = keys if chosen or batch is None else [*keys, batch]
        parts = [part for source in self.sources() if (part := source.own(rows, bank)) is not None]
        own = torch.cat(parts, dim=-2) if parts else None
        count_B = torch.full_like(name_B, 0 if own is None else own.shape[-2])
        if chosen or not keys:
            return More(query.reshape(-1, query.shape[-1])[:0].detach(), name_B[:0], own, count_B)
        shared_ND, names_N = joined(keys)
        return More(shared_ND, names_N, own, count_B + len(names_N) - false_negatives.count(name_B, names_N))

    def push(self, key_BD: Tensor, name_B: Tensor, step: int) -> None:
        """Remember these keys, if a source does."""
        for source in self.sources():
            source.push(key_BD, name_B, step)

    def guide(self, guide_BG: Tensor | None, more_keys: int = 0) -> Guide | None:
        """What the loss is told of false negatives, from a guide model's vectors of the samples; None without one.

        more_keys: keys after the batch's own (hard negatives) that the guide did not see: zeros, which it leaves alone.
        """
        if guide_BG is None:
            return None
        return next((found for source in self.sources() if (found := source.guide(guide_BG, more_keys))), None)

    @property
    def adds(self) -> bool:
        """Whether there are more negatives than the batch's own."""
        return any(source.adds for source in self.sources())

    @property
    def hardness(self) -> dict[str, Any]:
        """How negatives count, as a loss takes it."""
        return {name: value for source in self.sources() for name, value in source.hardness.items()}

    def diagnostics(self, step: int) -> dict[str, Tensor]:
        """The sources' own numbers."""
        return {name: value for source in self.sources() for name, value in source.diagnostics(step).items()}
