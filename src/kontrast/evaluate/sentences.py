"""Every protocol that fits sentences, on the learned encoder, the weights it began with, random weights and raw input.

Raw input is TF-IDF: words counted, rare ones more (fitted on the tested sentences, the same for all).

Shapes: N sentences or pairs, H feature width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate.embedders import Column, Embed
from kontrast.evaluate.protocol import Task
from kontrast.evaluate.retrieval import ITEMS, SHORTEST, halves, partner_recall, partners
from kontrast.evaluate.sts import sts
from kontrast.evaluate.suite import measured

__all__ = ["evaluate", "halves", "score", "scored", "tf_idf"]


def tf_idf(texts: Sequence[str]) -> Embed:
    """The raw-input column: term frequency times inverse document frequency of words, fitted on these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    fitted = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", sublinear_tf=True).fit(texts)
    return lambda some_texts: torch.from_numpy(fitted.transform(some_texts).toarray()).float()


def sides(source: Source, seed: int) -> tuple[list[str], list[str]]:
    """(first sentences, second sentences) of what is tested. Unfit where the source is of another kind."""
    if source.kind == "scored_pairs" and "first" in source.columns:
        return source.texts(source.ids, "first"), source.texts(source.ids, "second")
    if source.kind == "texts" or "anchor" in source.columns:
        return partners(source, seed)
    raise Unfit(f"{source.name} holds {source.kind}; sentences or pairs of sentences were expected.")


def evaluate(
    columns: Mapping[str, Embed],
    source: Source,
    *,
    protocols: Sequence[str] | None = None,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`suite.measured`, of encoders of sentences; adds "raw_input" by itself.

    Sentences too short to be halved are looked at for their geometry alone, and that is said.
    """
    first, second = sides(source, seed)
    if not first:  # too short for halves: what there is
        first = source.texts(source.ids[:ITEMS])
    task = Task("texts", source, source, cloud=first[:ITEMS], seed=seed)
    named = {name: Column(words=embed) for name, embed in columns.items()}
    named["raw_input"] = Column(words=tf_idf([*first, *second]))
    return measured(named, task, protocols=protocols, about={"raw": "TF-IDF", **(about or {})})


def scored(source: Source, seed: int = 0) -> tuple[list[str], list[str]]:
    """What `score` compares. Unfit where there is too little of it, which is known before a run begins."""
    first, second = sides(source, seed)
    if source.kind != "scored_pairs" and len(first) < 2:
        raise Unfit(
            f"{source.name}: fewer than two sentences have {SHORTEST} words, so their halves cannot be told apart."
        )
    return first, second


def score(embed: Embed, source: Source, seed: int = 0) -> tuple[str, float]:
    """(name, value) of the one number by which checkpoints are compared: Spearman of scored pairs, else recall at 1."""
    first, second = scored(source, seed)
    if source.kind == "scored_pairs":
        return "spearman", sts(embed, source)
    return "recall_at_1", partner_recall(embed(first).float(), embed(second).float(), second)["recall_at_1"]
