"""What a run on sentences leaves: the folder, its evaluation beside what knows less, and the words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kontrast.data.source import Source
from kontrast.data.sources import open_source
from kontrast.data.tables import ENDINGS
from kontrast.evaluate import sentences, sts, words
from kontrast.exchange import sentence_transformers
from kontrast.exchange.card import About
from kontrast.text_model import TextModel, holds, load_text

__all__ = ["columns_of", "evaluated", "holds", "leave"]


def columns_of(model: TextModel, before: TextModel | None, seed: int) -> dict[str, sts.Embed]:
    """The learned encoder beside what knows less. A run that began at random began with the random weights."""
    random = model.random(seed).embed_text
    began = random if before is None else before.embed_text
    return {"learned": model.embed_text, "before": began, "random_weights": random}


def leave(
    folder: Path, model: TextModel, before: TextModel | None, check: Source | None, about: dict[str, Any], *,
    summary: dict[str, Any], seed: int, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write model/, evaluate, and say what was learned. `summary` receives `evaluation` and `learned`."""
    summary |= {"evaluation": {}, "learned": ""}
    if check is not None:
        result = sentences.evaluate(columns_of(model, before, seed), check, seed=seed)
        for line in words.table(result):
            say(line)
        summary |= {"evaluation": result, "learned": words.sentence(result)}
    numbers = {who: found for who, found in summary["evaluation"].items() if who != "about"}
    told = About(mean=(), std=(), verdict=summary["learned"], evaluation=numbers,
                 evaluated_on="" if check is None else check.name, **about)  # fmt: skip
    sentence_transformers.write(folder / "model", model.encoder, told)
    say(f"model    {folder / 'model'}")
    if summary["learned"]:
        say(summary["learned"])


def evaluated(
    path: str | Path, data: Any, *, split: str | None = None, seed: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a sentence encoder on judged pairs, pairs, or sentences alone.

    data: a file; or a folder of files with judged pairs: then one row for each and their average.
    """
    learned = load_text(path)
    columns = columns_of(learned, None, seed)
    columns.pop("before")
    if isinstance(data, str | Path) and Path(data).is_dir():
        files = sorted(file for file in Path(data).iterdir() if file.suffix in ENDINGS)
        sources = [_tested(open_source(file), split) for file in files]
        texts = [text for source in sources for role in ("first", "second") for text in source.texts(source.ids, role)]
        table = sts.several({**columns, "raw_input": sentences.tf_idf(texts)}, sources)
        result = {who: {"spearman": found["average"], "sets": found} for who, found in table.items()}
        return result, sts.lines(table)
    source = _tested(open_source(data, split=split), split)
    result = sentences.evaluate(columns, source, seed=seed)
    return result, [*words.table(result), words.sentence(result)]


def _tested(source: Source, split: str | None) -> Source:
    """The split that was asked for, else the test split where there is one."""
    named = split or ("test" if "test" in source.splits else None)
    return source.split(named) if named is not None and named in source.splits else source
