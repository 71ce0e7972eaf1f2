"""False negatives: keys that stand for the row itself. They are told by integer names and left out everywhere.

A row's name is its sample id, or its group where there are groups, or its caption's name: equal names are never each
other's negatives. A guide model tells the rest: see `kontrast.losses.Guide`.

Shapes: Q queries, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kontrast import keyed


def equal_texts(texts: Sequence[str]) -> Tensor:
    """A name for each text, int64 (B,): texts that differ only in case, spaces or a final full stop share it.

    It is a hash, the same in every batch and on every machine, so that queues can use it too.
    """
    plain = [" ".join(text.casefold().split()).rstrip(".") for text in texts]
    return torch.tensor([int(keyed.words("text", text)) >> 1 for text in plain], dtype=torch.int64)


def count(name_Q: Tensor, name_K: Tensor) -> Tensor:
    """How many keys bear each query's name, int64 (Q,). By sorting: no Q x K matrix."""
    sorted_K = name_K.sort().values
    return torch.searchsorted(sorted_K, name_Q, right=True) - torch.searchsorted(sorted_K, name_Q)
