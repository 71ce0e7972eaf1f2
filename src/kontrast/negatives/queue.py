"""The keys of earlier batches, in a ring: many negatives from small batches (He et al. 2020, arXiv:1911.05722).

It starts as keyed random unit rows, which are used as negatives from the first step, as published. Then the newest K
keys are kept, for any batch size: the pointer wraps by modular indices. Every key bears the name of its sample (or
group), so that a row never meets an older key of its own.

Shapes: K places, B new rows, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kontrast import keyed
from kontrast.negatives import Negatives
from kontrast.negatives.source import Keys, Rows, Source
from kontrast.similarity import Similarity, unit

NOBODY = -1  # the name of the random rows at the start


class Ring(Source):
    """`queue:K`: a ring of K keys (K, D), their names (K,) and the steps they came at. All of it is in the state dict.

    Reading it is pure; only `push` changes it. Keys are kept without gradient: as given, or of unit length.
    """

    def __init__(self, size: int, width: int, *, seed: int, name: str = "queue", of_unit_length: bool = False) -> None:
        super().__init__()
        self.of_unit_length = of_unit_length
        if size < 1:
            raise ValueError(f"a queue needs at least one place, got size {size}")
        rows_KD = torch.randn(size, width, generator=keyed.generator(name, seed))
        self.keys_KD: Tensor
        self.names_K: Tensor
        self.came_K: Tensor
        self.pushed: Tensor
        self.register_buffer("keys_KD", nn.functional.normalize(rows_KD))
        self.register_buffer("names_K", torch.full((size,), NOBODY))
        self.register_buffer("came_K", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("pushed", torch.tensor(0))

    def __len__(self) -> int:
        return len(self.keys_KD)

    def keys(self, rows: Rows) -> Keys:
        return self.keys_KD, self.names_K

    @torch.no_grad()
    def push(self, key_BD: Tensor, name_B: Tensor, step: int) -> None:
        """Keep these keys in place of the oldest. Of more than K keys the last K are kept."""
        key_BD = unit(key_BD) if self.of_unit_length else key_BD
        B, K = len(key_BD), len(self)
        last = slice(max(0, B - K), B)
        place = (self.pushed + torch.arange(B, device=key_BD.device)[last]) % K
        self.keys_KD[place] = key_BD[last].to(self.keys_KD.dtype)
        self.names_K[place] = name_B[last]
        self.came_K[place] = step
        self.pushed += B

    def full(self) -> bool:
        """Whether every place holds a key that was pushed."""
        return int(self.pushed) >= len(self)

    @torch.no_grad()
    def diagnostics(self, step: int) -> dict[str, Tensor]:
        """For the watch: share of places filled, mean age of those in steps, and how many directions the keys take.

        queue_rank = (sum of eigenvalues)^2 / sum of squared eigenvalues of the keys' second moments, on at most 1,024
        evenly chosen ones: 1 when all keys are one, near D when they fill the space.
        """
        fill = (self.pushed / len(self)).clamp(max=1.0)
        known_K = (torch.arange(len(self), device=self.came_K.device) < self.pushed).float()
        age = ((step - self.came_K) * known_K).sum() / known_K.sum().clamp(min=1)
        some_KD = self.keys_KD[:: -(-len(self) // 1024)].float()
        moment_DD = some_KD.T @ some_KD
        rank = moment_DD.trace().square() / moment_DD.square().sum().clamp(min=1e-12)
        return {"queue_fill": fill, "queue_age": age, "queue_rank": rank}


def source(requested: Negatives, width: int, similarity: Similarity, seed: int) -> Ring | None:
    """The queue that was asked for; on the sphere where cosine compares."""
    size = requested.queue
    return Ring(size, width, seed=seed, of_unit_length=similarity == "cosine") if size else None
