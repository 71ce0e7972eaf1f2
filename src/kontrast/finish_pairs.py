"""What a run on pictures and captions leaves: the folder, its evaluation beside what knows less, and the words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kontrast.data.pictures import Ids
from kontrast.data.source import Source
from kontrast.data.sources import open_source
from kontrast.errors import Failed, Unfit
from kontrast.evaluate import protocols as rooms
from kontrast.evaluate import words, zero_shot
from kontrast.evaluate.two_towers import NAMES, evaluate, sentence, table
from kontrast.explore import page, quotes, sections
from kontrast.pair_model import PairModel, load_pairs, mixed

if TYPE_CHECKING:
    from kontrast.planning import Parts
    from kontrast.recipes.defaults import Plan
    from kontrast.training.record import Folder

__all__ = ["certify", "evaluate", "evaluated", "leave", "report", "sentence", "table"]

EXAMPLES = 6  # pairs shown in the report


def leave(
    folder: Path, *, model: PairModel, columns: Mapping[str, PairModel], check: Source | None, ids: Ids,
    summary: dict[str, Any], say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write model/, evaluate, and say what was learned. `summary` receives `evaluation` and `learned`."""
    model.save(folder / "model")
    certify(folder / "model", model)
    say(f"model    {folder / 'model'}")
    summary |= {"evaluation": {}, "learned": ""}
    if check is not None:
        result = evaluate(columns, check, ids)
        for line in table(result):
            say(line)
        summary |= {"evaluation": result, "learned": sentence(result)}
        say(summary["learned"])
        if "WARNING" in summary["learned"]:
            halfway = evaluate({"learned": mixed(columns["before"], model)}, check, ids)["learned"]
            told = ", ".join(f"{NAMES[name]} {halfway[name]:.1%}" for name in NAMES if 0 <= halfway.get(name, -1) <= 1)
            say(f"halfway  between the weights it began with and these (mixed with share 0.5): {told}")
            summary["halfway"] = halfway


def report(
    folder: Folder, model: PairModel, columns: Mapping[str, PairModel], plan: Plan, parts: Parts, *,
    summary: dict[str, Any], say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write report.html: verdict, table, curves, captions with the pictures they find and pictures with captions."""
    began = columns.get("before", columns["random_weights"])
    found: tuple[list[quotes.Quote], list[quotes.Quote]] = ([], [])
    if parts.check is not None and "text" in parts.check.columns:
        shown = {"learned": model, "before": began}
        found = quotes.captions_and_pictures(shown, parts.check, parts.check_ids, plan.settings.seed or 0)
    ids = parts.train_ids[:EXAMPLES]
    pairs = [
        quotes.Quote(picture, {"its captions": [quotes.Answer(text, math.nan) for text in captions]})
        for picture, captions in zip(parts.source.images(ids), parts.source.captions(ids))
    ]
    data = parts.source.name
    page.write(
        folder.path / "report.html", folder.rows(), summary, folder.config(), say=say,
        more=[
            sections.quotes(found[0], "Captions find pictures", "Held-out captions, each with its nearest pictures."),
            sections.quotes(found[1], "Pictures find captions", "Held-out pictures, each with its nearest captions."),
            sections.quotes(pairs, "What counted as the same", "A picture and any of its captions."),
        ],
        commands=[
            f'kontrast search {folder.path} {data} --query "any words" --sheet found.png',
            f"kontrast search {folder.path} {data} --query 0 --sheet found.png",
            f"kontrast embed {folder.path} {data} -o vectors.npy",
            f"kontrast evaluate {folder.path} {data}",
        ],
    )  # fmt: skip


def certify(folder: Path, model: PairModel) -> float:
    """Read the folder again and compare the vectors of noise and of two sentences; the largest difference."""
    again = load_pairs(folder)
    noise = torch.randint(
        0, 256, (4, 3, model.image_size, model.image_size), generator=torch.Generator().manual_seed(0)
    )
    pictures, words = noise.to(torch.uint8), ["one picture", "another one"]
    pairs = (
        (torch.as_tensor(model.embed(pictures)), torch.as_tensor(again.embed(pictures))),
        (model.embed_text(words), again.embed_text(words)),
    )
    difference = max(float((live - read).abs().max()) for live, read in pairs)
    if not difference <= 1e-4 * max(1.0, *(float(live.abs().max()) for live, _ in pairs)):
        raise Failed(f"{folder} was written but gives other vectors when it is read again ({difference:.2g}).")
    return difference


def evaluated(
    path: str | Path,
    data: Any,
    *,
    protocols: Sequence[str] | None = None,
    labels: str | None = None,
    split: str | None = None,
    classes: str | None = None,
    templates: str | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a run or a folder with two towers, on pictures and captions.

    protocols  "retrieval", "zero_shot", and those on labels: "knn", "linear", "kmeans", "few_label"
    classes    a column, or a text file with a name a line; None: the names of the labels
    templates  "80", "7" or a text file with a sentence a line, "{}" for the class; None: "7"
    """
    learned = load_pairs(path)
    from_file = classes is not None and Path(classes).is_file()
    source = open_source(data, labels=labels if classes is None or from_file else classes, split=split, channels=3)
    if source.pictures is None:
        raise Unfit(f"{source.name} holds {source.kind}; two towers are tested on pictures with captions or labels.")
    if split is None and "test" in source.splits:
        source = source.split("test")
    columns = {"learned": learned, "random_weights": learned.random(seed)}
    names = zero_shot.class_names(Path(classes)) if from_file and classes is not None else None
    sentences = zero_shot.templates(templates or "7")
    on_labels = [name for name in protocols or () if name in rooms.LABELLED]
    others = [name for name in protocols or () if name not in on_labels]
    result: dict[str, Any] = {}
    lines: list[str] = []
    if on_labels:
        embedders = {name: model.embed_source for name, model in columns.items()}
        result = rooms.evaluate({**embedders, "raw_input": rooms.raw_pixels}, source, protocols=on_labels, seed=seed)
        lines = [*words.table(result), words.sentence(result)]
    if others or not on_labels:
        found = evaluate(columns, source, source.ids, classes=names, sentences=sentences, protocols=others or None)
        lines = [*lines, *table(found), sentence(found)]
        chance = {**result.get("about", {}).get("chance", {}), **found["about"]["chance"]}
        result = {name: {**result.get(name, {}), **found.get(name, {})} for name in [*found, *result]}
        result["about"] |= {"chance": chance}
    return result, lines
