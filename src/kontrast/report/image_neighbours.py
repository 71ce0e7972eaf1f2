"""Held-out pictures, each with its nearest neighbours as several encoders see them: the test that anybody can judge.

Shapes: Q pictures asked about, M pictures searched, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from torch import Tensor

from kontrast import keyed
from kontrast.data.source import Source
from kontrast.evaluate.knn import search
from kontrast.keyed import Ids

Embedder: TypeAlias = "Callable[[Source, Ids], Tensor]"


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
    columns: Mapping[str, Embedder],
    asked: Source,
    among: Source | None = None,
    *,
    questions: int = 10,
    k: int = 8,
    most: int = 20_000,
    seed: int = 0,
) -> list[Question]:
    """Ten pictures of `asked`, drawn by key, and their eight nearest in `among` (by default the others of `asked`).

    The same for every encoder in `columns`. At most `most` pictures are searched, a keyed choice; a picture is never
    its own neighbour. Fewer questions and answers when there are fewer pictures.
    """
    among = asked if among is None else among
    asked_Q = _some(asked.ids, questions, "questions", seed)
    bank_M = _some(among.ids, most, "searched", seed)
    same_data = asked.fingerprint == among.fingerprint
    k = min(k, len(bank_M) - int(same_data))
    if k < 1:
        return []
    answers: list[dict[str, list[Found]]] = [{} for _ in asked_Q]
    used: list[Embedder] = []
    for name, embed in columns.items():
        if embed in used:  # the random weights that it began with are shown once
            continue
        used.append(embed)
        row_Qk, score_Qk = search(embed(among, bank_M), embed(asked, asked_Q), min(k + 1, len(bank_M)))
        for q, own in enumerate(asked_Q):
            id_k = bank_M[row_Qk[q]]
            other = np.flatnonzero(id_k != own)[:k] if same_data else np.arange(k)
            answers[q][name] = _found(among, id_k[other], score_Qk[q][other].tolist())
    shown = _found(asked, asked_Q, [1.0] * len(asked_Q))
    return [Question(one, answer) for one, answer in zip(shown, answers)]


def _some(ids: Ids, most: int, purpose: str, seed: int) -> Ids:
    return np.sort(ids[np.argsort(keyed.words(purpose, seed, ids), kind="stable")[:most]])


def _found(source: Source, ids: Ids, scores: list[float]) -> list[Found]:
    return [
        Found(picture.float() / source.white if source.bits == 16 else picture, _label(source, int(sample)), score)
        for picture, sample, score in zip(source.images(ids), ids, scores)
    ]


def _label(source: Source, sample: int) -> str:
    if source.labels is None or source.labels[sample] < 0:
        return ""
    return source.classes[source.labels[sample]] if source.classes else str(source.labels[sample])
