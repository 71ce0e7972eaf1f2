"""Every test that fits sentences, on the learned encoder, the weights it began with, random weights and raw input.

    sts        scored pairs: Spearman, and of 0 and 1 how often the similar pair is nearer (`evaluate.scored_pairs`)
    retrieval  pairs: does each anchor find its own positive among all positives?
    halves     sentences without labels: does the first half of a sentence find its second half, among up to 1,000?

Raw input is TF-IDF: words counted, rare ones more (fitted on the tested sentences, the same for all).

Shapes: N sentences or pairs, H feature width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import geometry, scored_pairs
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.retrieval import retrieval
from kontrast.evaluate.splits import some
from kontrast.evaluate.sts import Embed, likeness, sts

VERSION = 1
ITEMS = 1000  # sentences of the halves test, at most
SHORTEST = 6  # words of a sentence whose halves can mean something
PROTOCOLS = {"scored_pairs": "sts", "pairs": "retrieval", "triplets": "retrieval", "texts": "halves"}


def tf_idf(texts: Sequence[str]) -> Embed:
    """The raw-input column: term frequency times inverse document frequency of words, fitted on these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    fitted = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", sublinear_tf=True).fit(texts)
    return lambda some_texts: torch.from_numpy(fitted.transform(some_texts).toarray()).float()


def halves(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """(first halves, second halves): disjoint halves of the words, of all sentences of `SHORTEST` words or more."""
    split = [words for words in (text.split() for text in texts) if len(words) >= SHORTEST]
    return [" ".join(w[: len(w) // 2]) for w in split], [" ".join(w[len(w) // 2 :]) for w in split]


def tested(source: Source, seed: int) -> tuple[str, list[str], list[str]]:
    """(protocol, first texts, second texts) that fit the source; for scored pairs, their two sentences."""
    if source.kind == "scored_pairs" and "first" in source.columns:
        return "sts", source.texts(source.ids, "first"), source.texts(source.ids, "second")
    if source.kind in ("pairs", "triplets") and "anchor" in source.columns:
        ids = some(source.ids, ITEMS, "pairs", seed)
        return "retrieval", source.texts(ids, "anchor"), source.texts(ids, "positive")
    if source.kind != "texts":
        raise Unfit(f"{source.name} holds {source.kind}; sentences or pairs of sentences were expected.")
    first, second = halves(source.texts(some(source.ids, 2 * ITEMS, "halves", seed)))
    if len(first) < 2:
        raise Unfit(
            f"{source.name}: fewer than two sentences have {SHORTEST} words, so their halves cannot be told apart."
        )
    return "halves", first[:ITEMS], second[:ITEMS]


def evaluate(
    columns: Mapping[str, Embed], source: Source, *, seed: int = 0, about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`{column: {metric: value}, ..., "about": {...}}` as `suite.evaluate` gives it; adds "raw_input" by itself."""
    protocol, first, second = tested(source, seed)
    columns = {**columns, "raw_input": tf_idf([*first, *second])}
    result: dict[str, Any] = {}
    ranges: dict[str, dict[str, list[float]]] = {}
    widths: dict[str, int] = {}
    for name, embed in columns.items():
        twin = next((other for other in result if columns[other] == embed), None)
        if twin is not None:  # the weights it began with are the random ones: measured once
            result[name], ranges[name] = dict(result[twin]), dict(ranges[twin])
            continue
        if protocol == "sts":
            result[name], ranges[name] = scored_pairs.agreement(likeness(embed, source), source)
            first_NH = embed(first[:ITEMS]).float()
        else:
            first_NH, second_NH = embed(first).float(), embed(second).float()
            result[name], ranges[name] = _found(first_NH, second_NH, second)
        result[name] |= {
            "uniformity": geometry.uniformity(first_NH),
            "effective_rank": geometry.effective_rank(first_NH),
        }
        widths[name] = first_NH.shape[1]
    facts: dict[str, Any] = {"version": VERSION, "data": source.name, "items": len(source.ids), "seed": seed}
    facts |= {"width": widths, "chance": scored_pairs.CHANCE, "range": ranges, "notes": [], "raw": "TF-IDF"}
    if protocol != "sts":
        told = "the sentence's other half" if protocol == "halves" else "its positive"
        facts |= {
            "partner": told,
            "view_items": len(first),
            "chance": {f"recall_at_{k}": k / len(first) for k in (1, 5, 10)},
        }
    return result | {"about": facts | dict(about or {})}


def score(embed: Embed, source: Source, seed: int = 0) -> tuple[str, float]:
    """(name, value) of the one number by which checkpoints are compared: Spearman of scored pairs, else recall at 1."""
    protocol, first, second = tested(source, seed)
    if protocol == "sts":
        return "spearman", sts(embed, source)
    return "recall_at_1", _found(embed(first).float(), embed(second).float(), second)[0]["recall_at_1"]


def _found(
    first_NH: Tensor, second_NH: Tensor, second: Sequence[str]
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Recall of the partner; equal partners stand for one another."""
    number = {text: place for place, text in enumerate(second)}
    partner_N = torch.tensor([number[text] for text in second])
    found = retrieval(first_NH, second_NH, partner_N, partner_N)
    around = {key: wilson(value, len(second)) for key, value in found.items() if key.startswith("recall")}
    return found | {"alignment": geometry.alignment(first_NH, second_NH)}, around
