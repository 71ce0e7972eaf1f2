"""Held-out pictures, each with its nearest neighbours as several encoders see them: the test that anybody can judge.

Shapes: Q pictures asked about, M held-out pictures, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kontrast import keyed
from kontrast.data.source import Source
from kontrast.explore.search import search

Ids: TypeAlias = npt.NDArray[np.int64]
Embed: TypeAlias = "Callable[[Source, Ids], Tensor]"


@dataclass(frozen=True)
class Found:
    """One picture: its pixels (C, H, W), its class or "" when unknown, and the cosine that found it (1 for itself)."""

    picture: Tensor
    label: str
    score: float


@dataclass(frozen=True)
class Question:
    """A held-out picture and, for each encoder, its nearest neighbours, best first."""

    asked: Found
    answers: Mapping[str, list[Found]]


def gallery(
    columns: Mapping[str, Embed], source: Source, *, questions: int = 10, k: int = 8, seed: int = 0
) -> list[Question]:
    """Ten pictures of `source`, drawn by key, and their eight nearest others in it, for each encoder in `columns`.

    Fewer when the source is smaller. The pictures are the same for every encoder.
    """
    k = min(k, len(source.ids) - 1)
    if k < 1:
        return []
    order = np.argsort(keyed.words("gallery", seed, source.ids), kind="stable")
    place_Q = np.sort(order[:questions])
    answers: list[dict[str, list[Found]]] = [{} for _ in place_Q]
    for name, embed in columns.items():
        vectors_MH = embed(source, source.ids)
        row_Qk, score_Qk = search(vectors_MH, vectors_MH[place_Q], k + 1)
        for q, place in enumerate(place_Q):
            others = [(row, score) for row, score in zip(row_Qk[q], score_Qk[q]) if row != place][:k]
            ids = source.ids[[row for row, _ in others]]
            answers[q][name] = _found(source, ids, [float(score) for _, score in others])
    asked = _found(source, source.ids[place_Q], [1.0] * len(place_Q))
    return [Question(one, answer) for one, answer in zip(asked, answers)]


def _found(source: Source, ids: Ids, scores: list[float]) -> list[Found]:
    return [
        Found(picture, _label(source, int(sample)), score)
        for picture, sample, score in zip(source.images(ids), ids, scores)
    ]


def _label(source: Source, sample: int) -> str:
    if source.labels is None or source.labels[sample] < 0:
        return ""
    return source.classes[source.labels[sample]] if source.classes else str(source.labels[sample])
