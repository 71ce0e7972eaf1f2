"""What a run leaves when it is trained: the model, its evaluation beside what knows nothing, the report, the words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.torch import save_file

from kontrast.data.sources import Source, open_source
from kontrast.errors import Unfit
from kontrast.evaluate import protocols
from kontrast.exchange import model_folder
from kontrast.explore import page
from kontrast.explore.search import search
from kontrast.explore.sheet import neighbour_sheet, views_sheet
from kontrast.methods.method import Batch
from kontrast.model import Model, load
from kontrast.positives.images import Keys, views

if TYPE_CHECKING:
    from kontrast.recipes.defaults import Plan
    from kontrast.run import Parts
    from kontrast.training.record import Folder

SHEET_ROWS = 8  # positive pairs on the report's sheet
NEIGHBOUR_ROWS, NEIGHBOURS = 10, 8  # held-out pictures on the report, and how many neighbours each


def save_batch(folder: Path, batch: Batch) -> None:
    """Keep the batch that broke the run, so that it can be looked at."""
    tensors = {"ids": batch.ids_B}
    for number, view in enumerate(batch.views):
        parts = view.items() if isinstance(view, dict) else [("pixels", view)]
        tensors |= {f"view{number}.{name}": tensor.contiguous() for name, tensor in parts}
    save_file({name: tensor.cpu() for name, tensor in tensors.items()}, folder / "bad-batch.safetensors")


def leave(
    folder: Folder, plan: Plan, parts: Parts, model: Model, before: Model | None, summary: dict[str, Any],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write model/, evaluate, write summary.json and report.html, and say what was learned."""
    columns = _columns(model, before, plan.settings.seed or 0)
    result: dict[str, Any] = {}
    if parts.check is not None:
        bank = parts.source.part(parts.train_ids)
        result = protocols.evaluate(columns, parts.check, bank=bank, recipe=parts.recipe, seed=plan.settings.seed or 0)
        summary["learned"] = protocols.sentence(result)
        for line in protocols.table(result):
            say(line)
    summary["evaluation"] = result
    model_folder.write(folder.path / "model", model, {"summary": summary, "data": parts.source.name, "plan": plan})
    pairs = _pairs(plan, parts)
    rows = _neighbours(columns, parts) if parts.check is not None else None
    page.write(folder.path / "report.html", folder.rows(), summary, folder.config(), pairs=pairs, neighbours=rows, say=say)
    folder.write_json("summary.json", summary)
    if "learned" in summary:
        say(summary["learned"])


def _columns(model: Model, before: Model | None, seed: int) -> dict[str, protocols.Embedder]:
    """The learned encoder beside what knows less."""
    columns: dict[str, protocols.Embedder] = {"learned": model.embed_source}
    if before is not None:
        columns["before"] = before.embed_source
    columns["random_weights"] = model.random(seed).embed_source
    columns["raw_input"] = protocols.raw_pixels
    return columns


def _pairs(plan: Plan, parts: Parts) -> Any:
    """The sheet of real positives of the first epoch."""
    ids = parts.train_ids[:SHEET_ROWS]
    pictures = parts.source.images(ids)
    keys = Keys(plan.settings.seed or 0, 0, ids)
    return views_sheet(pictures, views(pictures, parts.recipe, keys, mode=plan.settings.view_mode or "exact"), parts.recipe)


def _neighbours(columns: dict[str, protocols.Embedder], parts: Parts) -> dict[str, Any]:
    """Ten held-out pictures, each with its nearest training pictures, once for each column."""
    assert parts.check is not None
    asked, bank_ids = parts.check_ids[:NEIGHBOUR_ROWS], parts.train_ids[:20_000]
    pictures = parts.check.images(asked)
    sheets = {}
    for name, embedder in columns.items():
        bank, query = (np.asarray(embedder(s, i)) for s, i in ((parts.source, bank_ids), (parts.check, asked)))
        rows, scores = search(bank, query, min(NEIGHBOURS, len(bank)))
        found = [parts.source.images(bank_ids[row]) for row in rows]
        sheets[name] = neighbour_sheet(
            [(picture, [(p, float(s)) for p, s in zip(near, score)]) for picture, near, score in zip(pictures, found, scores)]
        )
    return sheets


def evaluate(
    model: str | Path,
    data: Any,
    *,
    protocols: list[str] | None = None,
    split: str | None = None,
    labels: str | None = None,
    train_data: Any = None,
    seed: int = 0,
) -> tuple[dict[str, Any], list[str]]:
    """(the JSON of an evaluation, the lines of its table): an encoder beside random weights and raw input, in fp32."""
    from kontrast.evaluate import protocols as rooms

    learned = load(model)
    source = open_source(data, labels=labels)
    said = []
    if split is None and "test" in source.splits:
        split = "test"
        said.append(f"split    {source.name} names a test split: only that is used")
    source = source if split is None else source.split(split)
    bank = _bank(train_data, labels, source, split)
    if learned.channels != source.channels:
        source = open_source(data, labels=labels, split=split, channels=learned.channels)
    result = rooms.evaluate(_columns(learned, None, seed), source, bank=bank, protocols=protocols, seed=seed)
    return result, [*said, *rooms.table(result), rooms.sentence(result)]


def _bank(train_data: Any, labels: str | None, source: Source, split: str | None) -> Source | None:
    """What neighbours and probes learn from: --train-data, else the training split beside the test split."""
    if train_data is not None:
        bank = open_source(train_data, labels=labels)
        if bank.labels is None:
            raise Unfit(f"--train-data {train_data} has no labels; name them with --labels.")
        return bank
    return source.split("train") if split == "test" and "train" in source.splits else None
