"""What a run on sentences leaves: the folder, its evaluation beside what knows less, and the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kontrast.data.source import CALLED, Source
from kontrast.data.sources import open_source
from kontrast.data.tables import ENDINGS
from kontrast.errors import Unfit
from kontrast.evaluate import sentences, splits, sts, words
from kontrast.exchange import sentence_transformers
from kontrast.exchange.card import About
from kontrast.explore import page, quotes, sections
from kontrast.text_model import TextModel, holds, load_text

if TYPE_CHECKING:
    from kontrast.training.record import Folder

__all__ = ["columns_of", "evaluated", "holds", "leave", "report"]


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


def report(
    folder: Folder, columns: dict[str, sts.Embed], check: Source | None, trained: Sequence[str],
    examples: list[list[str]], *, views: str, data: str, summary: dict[str, Any], seed: int, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write report.html: verdict, table, curves, and ten held-out sentences with what stands nearest.

    columns   name -> embedder; TF-IDF joins them
    trained   sentences to search beside the held-out ones
    examples  for each view, the texts that counted as the same
    """
    cards: list[quotes.Quote] = []
    if check is not None:
        roles = [role for role in ("text", "anchor", "positive", "first", "second") if role in check.columns]
        ids = splits.some(check.ids, quotes.SENTENCES // 2, "searched", seed)
        among = [text for role in roles for text in check.texts(ids, role)]
        asked = check.texts(splits.some(ids, quotes.QUESTIONS, "questions", seed), roles[0])
        shown = {name: embed for name, embed in columns.items() if name in ("learned", "before")}
        cards = quotes.sentences({**shown, "raw_input": sentences.tf_idf([*asked, *among, *trained])}, asked,
                                 [*among, *trained])  # fmt: skip
    said = "Held-out sentences that training never used, each with its nearest as different encoders see them."
    head = (["text", "and"] if len(examples) == 2 else ["anchor", "positive", "hard negative"])[: len(examples)]
    told = {
        "dropout": "The two are the same words: what differs is what dropout hides.",
        "judged": "Rows labelled similar: the method learns to bring these together, and others a margin apart.",
    }.get(views, "The method learns to bring these together and to keep them apart from all others.")
    page.write(
        folder.path / "report.html", folder.rows(), summary, folder.config(), say=say,
        more=[
            sections.quotes(cards, "See for yourself", said, raw="TF-IDF"),
            sections.examples([list(row) for row in zip(*examples)], head, told),
        ],
        commands=[
            f'kontrast search {folder.path} {data} --query "any sentence"',
            f"kontrast embed {folder.path} {data} -o vectors.npy",
            f"kontrast evaluate {folder.path} {data}",
        ],
    )  # fmt: skip


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
        table = sts.several({**columns, "raw_input": sentences.tf_idf(texts)}, sources)
        result = {who: {"spearman": found["average"], "sets": found} for who, found in table.items()}
        return result, sts.lines(table)
    source = _tested(open_source(data, split=split), split)
    fitting = {"judged": "sts", "pairs": "retrieval", "triplets": "retrieval", "texts": "retrieval"}
    _fits(protocols, fitting.get(source.kind, "none"), f"{source.name}, which holds {CALLED[source.kind]}")
    result = sentences.evaluate(columns, source, seed=seed)
    return result, [*words.table(result), words.sentence(result)]


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
