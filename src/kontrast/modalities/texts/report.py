"""What a run on sentences leaves: the folder, its evaluation beside what knows less, and the words."""

from __future__ import annotations

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
from kontrast.modalities.texts.evaluation import evaluated

if TYPE_CHECKING:
    from kontrast.training.run_folder import Folder

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
        result = evaluation.evaluate(columns_of(model, before, seed), check, seed=seed)
        for line in formatting.table(result):
            say(line)
        summary |= {"evaluation": result, "learned": formatting.sentence(result)}
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
    cards: list[text_neighbours.Quote] = []
    if check is not None:
        roles = [role for role in ("text", "anchor", "positive", "first", "second") if role in check.columns]
        ids = splits.some(check.ids, text_neighbours.SENTENCES // 2, "searched", seed)
        among = [text for role in roles for text in check.texts(ids, role)]
        asked = check.texts(splits.some(ids, text_neighbours.QUESTIONS, "questions", seed), roles[0])
        shown = {name: embed for name, embed in columns.items() if name in ("learned", "before")}
        cards = text_neighbours.sentences({**shown, "raw_input": evaluation.tf_idf([*asked, *among, *trained])}, asked,
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






