"""What the tests call: an encoder as a function of samples and of sentences.

Shapes: M samples, H feature width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from torch import Tensor

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.keyed import Ids

Embedder: TypeAlias = "Callable[[Source, Ids], Tensor]"  # the features of these samples, (M, H)
Embed: TypeAlias = "Callable[[Sequence[str]], Tensor]"  # of these sentences, (M, H)
WORDS = ("text", "anchor", "first")  # whose words stand for a sample, by what the source has


class TwoTowers(Protocol):
    """Pictures and sentences into one space, as `PairModel` does."""

    def embed_source(self, source: Source, ids: Ids) -> Tensor: ...
    def embed_text(self, sentences: Sequence[str]) -> Tensor: ...


@dataclass(frozen=True)
class Column:
    """One column of an evaluation: how it looks at pictures, at sentences, or at both."""

    pictures: Embedder | None = None
    words: Embed | None = None


class Features:
    """What a column makes of the data, fp32. Whatever several tests look at is embedded once."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._samples: list[tuple[Source, Ids, Tensor]] = []
        self._texts: dict[tuple[str, ...], Tensor] = {}
        self.width = 0  # H, of what was embedded last

    def __call__(self, source: Source, ids: Ids) -> Tensor:
        """The features (M, H) of these samples, in their order."""
        for kept, kept_ids, vectors in self._samples:
            if kept is source and np.array_equal(kept_ids[: len(ids)], ids):
                return vectors[: len(ids)]
        if source.pictures is None or self.column.pictures is None:
            role = next((role for role in WORDS if role in source.columns), "text")
            return self.texts(source.texts(ids, role))
        vectors = self.column.pictures(source, ids).float()
        self._samples.append((source, ids, vectors))
        self.width = vectors.shape[1]
        return vectors

    def texts(self, sentences: Sequence[str]) -> Tensor:
        """The features (M, H) of these sentences, in their order."""
        key = tuple(sentences)
        if key not in self._texts:
            self._texts[key] = self.reader(sentences).float()
            self.width = self._texts[key].shape[1]
        return self._texts[key]

    @property
    def reader(self) -> Embed:
        """The column as a reader of sentences that remembers nothing."""
        if self.column.words is None:
            raise Unfit("This test reads sentences, and the encoder takes pictures alone.")
        return self.column.words
