"""What a run on pictures and captions leaves: the folder, its evaluation beside what knows less, and the words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kontrast.data.pixels.store import Ids
from kontrast.data.source import Source
from kontrast.data.open import open_source
from kontrast.errors import Failed, Unfit
from kontrast.evaluate import labelled as rooms
from kontrast.evaluate import formatting, zero_shot
from kontrast.modalities.pairs.evaluation import NAMES, evaluate, sentence, table
from kontrast.report import page, text_neighbours, sections
from kontrast.modalities.pairs.model import PairModel, load_pairs, mixed
from kontrast.modalities.pairs.evaluation import evaluated

if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
    from kontrast.recipes.resolve import Plan
    from kontrast.training.run_folder import Folder

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
    found: tuple[list[text_neighbours.Quote], list[text_neighbours.Quote]] = ([], [])
    if parts.check is not None and "text" in parts.check.columns:
        shown = {"learned": model, "before": began}
        found = text_neighbours.captions_and_pictures(shown, parts.check, parts.check_ids, plan.settings.seed or 0)
    ids = parts.train_ids[:EXAMPLES]
    pairs = [
        text_neighbours.Quote(picture, {"its captions": [text_neighbours.Answer(text, math.nan) for text in captions]})
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
    pictures, formatting = noise.to(torch.uint8), ["one picture", "another one"]
    pairs = (
        (torch.as_tensor(model.embed(pictures)), torch.as_tensor(again.embed(pictures))),
        (model.embed_text(formatting), again.embed_text(formatting)),
    )
    difference = max(float((live - read).abs().max()) for live, read in pairs)
    if not difference <= 1e-4 * max(1.0, *(float(live.abs().max()) for live, _ in pairs)):
        raise Failed(f"{folder} was written but gives other vectors when it is read again ({difference:.2g}).")
    return difference


