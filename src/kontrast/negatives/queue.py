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

NOBODY = -1  # the name of the random rows at the start


class Ring(nn.Module):
    """A ring of K keys (K, D), their names (K,) and the steps they came at. All of it is in the state dict.

    Reading it is pure; only `push` changes it. Keys are kept as given, without gradient.
    """

    def __init__(self, size: int, width: int, *, seed: int, name: str = "queue") -> None:
        super().__init__()
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

    @torch.no_grad()
    def push(self, key_BD: Tensor, name_B: Tensor, step: int) -> None:
        """Keep these keys in place of the oldest. Of more than K keys the last K are kept."""
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
