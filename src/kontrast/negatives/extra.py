"""All that a method adds to the batch's own rows, in one place: what `compare` reads and `after_step` keeps.

Shapes: B rows, V views, N added keys shared by all rows, M of each row's own, D width.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from kontrast.losses.engine.candidates import Guide
from kontrast.negatives import Negatives, false_negatives, hard, parsed
from kontrast.negatives.queue import Ring
from kontrast.similarity import Similarity, unit

Keys: TypeAlias = tuple[Tensor, Tensor]  # vectors (N, D) and their names (N,)


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
    """The queue, the random draws, and the hard ones among or between them, for a method of `width` dimensions.

    `extra(...)` is pure. `push` is for `after_step`. `hardness` goes to the loss as it is.
    """

    def __init__(self, requested: str | Negatives, width: int, similarity: Similarity, *, seed: int) -> None:
        super().__init__()
        self.requested = parsed(str(requested))
        self.similarity: Similarity = similarity
        self.queue = Ring(self.requested.queue, width, seed=seed) if self.requested.queue else None
        if self.requested.mixed and similarity != "cosine":
            raise ValueError(f"mixed negatives are points on a sphere: similarity must be cosine, not {similarity}")

    def forward(
        self,
        query: Tensor,
        name_B: Tensor,
        key: tuple[int, ...],
        *,
        drawn: Keys | None = None,
        batch: Keys | None = None,
    ) -> More:
        """What is added for these queries.

        query: (B, D) or (V, B, D); name_B: the rows' names; key: seed, step and whatever tells this call from others.
        drawn: the random draws' embeddings (N, D) and names (N,). batch: the batch's own keys and names, which mixing
        may choose from.
        """
        keys = [] if self.queue is None else [(self.queue.keys_KD, self.queue.names_K)]
        keys += [] if drawn is None else [drawn]
        bank = keys if self.requested.mined or batch is None else [*keys, batch]
        own = self._hard(query, name_B, key, bank) if self.requested.mined or self.requested.mixed else None
        count_B = torch.full_like(name_B, 0 if own is None else own.shape[-2])
        if self.requested.mined or not keys:
            return More(query.reshape(-1, query.shape[-1])[:0].detach(), name_B[:0], own, count_B)
        shared_ND, names_N = _joined(keys)
        return More(shared_ND, names_N, own, count_B + len(names_N) - false_negatives.count(name_B, names_N))

    def _hard(self, query: Tensor, name_B: Tensor, key: tuple[int, ...], bank: list[Keys]) -> Tensor:
        """The mined and the mixed negatives of each row."""
        row_RD, (bank_KD, name_K) = query.flatten(0, -2), _joined(bank)
        name_R = name_B.repeat(len(row_RD) // len(name_B))
        left = len(bank_KD) - int(false_negatives.count(name_B, name_K).max())
        top = min(self.requested.mined or self.requested.mixed, left)
        places_RN, _ = hard.mined(row_RD, bank_KD, top, similarity=self.similarity, name_Q=name_R, name_K=name_K)
        hard_RND = bank_KD[places_RN]
        made = [hard_RND] if self.requested.mined else []
        if self.requested.mixed:
            made.append(hard.mixed(row_RD, hard_RND, self.requested.mixed, *key, np.arange(len(row_RD))[:, None]))
        own: Tensor = torch.cat(made, dim=1).unflatten(0, query.shape[:-1])
        return own

    def push(self, key_BD: Tensor, name_B: Tensor, step: int) -> None:
        """Remember these keys, if there is a queue."""
        if self.queue is not None:
            self.queue.push(unit(key_BD) if self.similarity == "cosine" else key_BD, name_B, step)

    def guide(self, guide_BG: Tensor | None, more_keys: int = 0) -> Guide | None:
        """What the loss is told of false negatives, from a guide model's vectors of the samples; None without one.

        more_keys: keys after the batch's own (hard negatives) that the guide did not see: zeros, which it leaves alone.
        """
        if guide_BG is None:
            return None
        key_KG = torch.cat([guide_BG, guide_BG.new_zeros(more_keys, guide_BG.shape[1])])
        return Guide(guide_BG, key_KG, self.requested.margin)

    @property
    def adds(self) -> bool:
        """Whether there are more negatives than the batch's own."""
        return bool(self.requested.queue or self.requested.random or self.requested.mined or self.requested.mixed)

    @property
    def hardness(self) -> dict[str, Any]:
        """How negatives count, as a loss takes it."""
        return {"tau_plus": self.requested.tau_plus, "beta": self.requested.beta}

    def diagnostics(self, step: int) -> dict[str, Tensor]:
        """The queue's own numbers."""
        return {} if self.queue is None else self.queue.diagnostics(step)


def _joined(keys: list[Keys]) -> Keys:
    vectors, names = zip(*keys)
    return torch.cat(vectors), torch.cat(names)
