"""Every test that fits sentences, on the learned encoder, the weights it began with, random weights and raw input.

    sts        judged pairs: Spearman, and of 0 and 1 how often the similar pair is nearer (`evaluate.judged`)
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from kontrast.data.source import CALLED, Source
from kontrast.data.open import open_source
from kontrast.data.readers.tables import ENDINGS
from kontrast.errors import Unfit
from kontrast.modalities.texts import evaluation
from kontrast.evaluate import splits, sts, formatting
from kontrast.exchange import sentence_transformers
from kontrast.exchange.card import About
from kontrast.report import page, text_neighbours, sections
from kontrast.modalities.texts.model import TextModel, holds, load_text
if TYPE_CHECKING:
    from kontrast.training.run_folder import Folder
from kontrast.modalities.texts.report import columns_of

VERSION = 1
ITEMS = 1000  # sentences of the halves test, at most
SHORTEST = 6  # words of a sentence whose halves can mean something
PROTOCOLS = {"judged": "sts", "pairs": "retrieval", "triplets": "retrieval", "texts": "halves"}


def tf_idf(texts: Sequence[str]) -> Embed:
    """The raw-input column: term frequency times inverse document frequency of words, fitted on these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    fitted = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", sublinear_tf=True).fit(texts)
    return lambda some_texts: torch.from_numpy(fitted.transform(some_texts).toarray()).float()


def halves(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """(first halves, second halves): disjoint halves of the words, of all sentences of `SHORTEST` words or more."""
    split = [formatting for formatting in (text.split() for text in texts) if len(formatting) >= SHORTEST]
    return [" ".join(w[: len(w) // 2]) for w in split], [" ".join(w[len(w) // 2 :]) for w in split]


def tested(source: Source, seed: int) -> tuple[str, list[str], list[str]]:
    """(protocol, first texts, second texts) that fit the source; for judged pairs, their two sentences."""
    if source.kind == "judged" and "first" in source.columns:
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
    """`{column: {metric: value}, ..., "about": {...}}` as `protocols.evaluate` gives it; adds "raw_input" by itself."""
    protocol, first, second = tested(source, seed)
    columns = {**columns, "raw_input": tf_idf([*first, *second])}
    result: dict[str, Any] = {}
    ranges: dict[str, dict[str, list[float]]] = {}
    widths: dict[str, int] = {}
    measured: dict[int, str] = {}
    for name, embed in columns.items():
        twin = measured.setdefault(id(embed), name)
        if twin != name:  # the weights it began with are the random ones: measured once
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
    said: dict[str, Any] = {"version": VERSION, "data": source.name, "items": len(source.ids), "seed": seed}
    said |= {"width": widths, "chance": scored_pairs.CHANCE, "range": ranges, "notes": [], "raw": "TF-IDF"}
    if protocol != "sts":
        told = "the sentence's other half" if protocol == "halves" else "its positive"
        said |= {
            "partner": told,
            "view_items": len(first),
            "chance": {f"recall_at_{k}": k / len(first) for k in (1, 5, 10)},
        }
    return result | {"about": said | dict(about or {})}


def score(embed: Embed, source: Source, seed: int = 0) -> tuple[str, float]:
    """(name, value) of the one number by which checkpoints are compared: Spearman of judged pairs, else recall at 1."""
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


def evaluated(
    path: str | Path, data: Any, *, protocols: Sequence[str] | None = None, split: str | None = None, seed: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a sentence encoder on judged pairs, pairs, or sentences alone.

    data: a file; or a folder of files with judged pairs: then one row for each and their average.
    """
    learned = load_text(path)
    columns = columns_of(learned, None, seed)
    columns.pop("before")
    if isinstance(data, str | Path) and Path(data).is_dir():
        files = sorted(file for file in Path(data).iterdir() if file.suffix in ENDINGS)
        if not files:
            raise Unfit(f"{data} holds no table ({', '.join(ENDINGS)}); a folder of STS sets was expected.")
        sources = [_tested(open_source(file), split) for file in files]
        _fits(protocols, "sts", f"{data}, a folder of judged pairs")
        texts = [text for source in sources for role in ("first", "second") for text in source.texts(source.ids, role)]
        table = sts.several({**columns, "raw_input": evaluation.tf_idf(texts)}, sources)
        result = {who: {"spearman": found["average"], "sets": found} for who, found in table.items()}
        return result, sts.lines(table)
    source = _tested(open_source(data, split=split), split)
    fitting = {"judged": "sts", "pairs": "retrieval", "triplets": "retrieval", "texts": "retrieval"}
    _fits(protocols, fitting.get(source.kind, "none"), f"{source.name}, which holds {CALLED[source.kind]}")
    result = evaluation.evaluate(columns, source, seed=seed)
    return result, [*formatting.table(result), formatting.sentence(result)]


def _fits(protocols: Sequence[str] | None, fitting: str, data: str) -> None:
    for name in protocols or ():
        if name != fitting:
            raise Unfit(
                f"--{name.replace('_', '-')} does not fit a sentence encoder on {data}; what fits: --{fitting}."
            )


def _tested(source: Source, split: str | None) -> Source:
    """The split that was asked for, else the test split where there is one."""
    named = split or ("test" if "test" in source.splits else None)
    return source.split(named) if named is not None and named in source.splits else source
