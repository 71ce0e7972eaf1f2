"""What the tests call: an encoder as a function of samples, and two towers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from torch import Tensor

from kontrast.data.source import Source
from kontrast.keyed import Ids

Embedder: TypeAlias = "Callable[[Source, Ids], Tensor]"  # the features of these samples, (M, H)


class TwoTowers(Protocol):
    """Pictures and sentences into one space, as `PairModel` does."""

    def embed_source(self, source: Source, ids: Ids) -> Tensor: ...
    def embed_text(self, sentences: Sequence[str]) -> Tensor: ...
