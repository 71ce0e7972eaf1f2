"""What stands nearest to held-out sentences, captions and pictures, as several encoders see them.

Shapes: Q asked about, M searched, k answers, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from torch import Tensor

from kontrast.data.source import Source
from kontrast.evaluate.embedders import TwoTowers
from kontrast.evaluate.knn import search
from kontrast.evaluate.splits import some
from kontrast.keyed import Ids

Embed: TypeAlias = "Callable[[Sequence[str]], Tensor]"
QUESTIONS, ANSWERS = 10, 4
SENTENCES, PICTURES = 4_000, 1_000  # searched, at most


@dataclass(frozen=True)
class Answer:
    """A sentence or a picture (C, H, W), the cosine that found it, and whether it belongs to what was asked."""

    content: str | Tensor
    score: float
    own: bool = False


@dataclass(frozen=True)
class Quote:
    """What was asked, and what each encoder finds nearest, best first."""

    asked: str | Tensor
    answers: Mapping[str, list[Answer]]


def sentences(columns: Mapping[str, Embed], asked: Sequence[str], among: Sequence[str]) -> list[Quote]:
    """Each asked sentence with its nearest in `among`; equal sentences count once, and never answer themselves."""
    asked = list(dict.fromkeys(asked))[:QUESTIONS]
    bank = [text for text in dict.fromkeys(among) if text not in set(asked)][:SENTENCES]
    k = min(ANSWERS, len(bank))
    if not asked or not k:
        return []
    answers: list[dict[str, list[Answer]]] = [{} for _ in asked]
    for name, embed in columns.items():
        row_Qk, score_Qk = search(embed(bank), embed(asked), k)
        for mine, row_k, score_k in zip(answers, row_Qk, score_Qk):
            mine[name] = [Answer(bank[row], float(score)) for row, score in zip(row_k, score_k)]
    return [Quote(text, found) for text, found in zip(asked, answers)]


def captions_and_pictures(
    columns: Mapping[str, TwoTowers], source: Source, ids: Ids, seed: int
) -> tuple[list[Quote], list[Quote]]:
    """(captions with the pictures that they find, pictures with the captions that they find), ten of each."""
    ids = some(ids, PICTURES, "searched", seed)
    asked_Q = some(np.arange(len(ids)), QUESTIONS, "questions", seed)
    groups = source.captions(ids)
    first = [group[0] for group in groups]  # of several captions the first is asked
    bank = [caption for group in groups for caption in group]
    owner_M = np.repeat(np.arange(len(ids)), [len(group) for group in groups])
    by_caption: list[dict[str, list[Answer]]] = [{} for _ in asked_Q]
    by_picture: list[dict[str, list[Answer]]] = [{} for _ in asked_Q]
    for name, model in columns.items():
        image_ND, text_MD = model.embed_source(source, ids), model.embed_text(bank)
        asked_QD = model.embed_text([first[q] for q in asked_Q])
        row_Qk, score_Qk = search(image_ND, asked_QD, min(2 * ANSWERS, len(ids)))
        for n, q in enumerate(asked_Q):
            found = source.images(ids[row_Qk[n]])
            by_caption[n][name] = [
                Answer(picture, float(score), row == q) for picture, score, row in zip(found, score_Qk[n], row_Qk[n])
            ]
        row_Qk, score_Qk = search(text_MD, image_ND[asked_Q], min(ANSWERS, len(bank)))
        for n, q in enumerate(asked_Q):
            by_picture[n][name] = [
                Answer(bank[row], float(score), owner_M[row] == q) for score, row in zip(score_Qk[n], row_Qk[n])
            ]
    shown = source.images(ids[asked_Q])
    return (
        [Quote(first[q], found) for q, found in zip(asked_Q, by_caption)],
        [Quote(picture, found) for picture, found in zip(shown, by_picture)],
    )
