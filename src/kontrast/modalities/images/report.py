"""What a run leaves when it is trained: the model, its evaluation beside what knows nothing, the report, the words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from kontrast.modalities.pairs import report
from kontrast.modalities.texts import report
from kontrast.modalities.images.batches import ImageBatches
from kontrast.data.scored_pairs import each_once, similar_ids
from kontrast.data.source import CALLED
from kontrast.data.open import Source, open_source
from kontrast.errors import Unfit
from kontrast.evaluate import labelled as rooms
from kontrast.evaluate import formatting
from kontrast.exchange import image_folder as model_folder
from kontrast.exchange import open_clip
from kontrast.exchange.card import About
from kontrast.report import page
from kontrast.report.image_neighbours import gallery
from kontrast.report.contact_sheet import views_sheet
from kontrast.methods.method import Batch
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.positives.images import papers
from kontrast.positives.images.view import Keys, Recipe
from kontrast.commands.evaluate import evaluate
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import SHOWN
from kontrast.modalities.images.evaluation import evaluate

if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
    from kontrast.recipes.resolve import Plan
    from kontrast.training.run_folder import Folder

SHEET_ROWS = 8  # positive pairs on the report's sheet




def leave(
    folder: Folder,
    plan: Plan,
    parts: Parts,
    model: Model,
    *,
    before: Model | None,
    summary: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    """Write model/, evaluate, write report.html and summary.json, and say what was learned.

    before: the weights the run began with, where they were not the random ones.
    """
    seed = plan.settings.seed or 0
    columns = columns_of(model, before, seed)
    result: dict[str, Any] = {}
    questions = []
    if parts.check is not None:
        bank = parts.source.part(parts.train_ids)
        result = evaluate(columns, parts.check, bank=bank, recipe=parts.recipe, seed=seed,
                                about={"network": model.spec["name"], "layer": "encoder output"})  # fmt: skip
        questions = gallery(columns, each_once(parts.check), each_once(bank), seed=seed)
        for line in formatting.table(result):
            say(line)
    summary |= {"learned": formatting.sentence(result) if result else "", "evaluation": result}
    settings = {name: getattr(plan.settings, name) for name in SHOWN}
    trained_on = f"{parts.source.name} ({len(parts.train_ids):,} {CALLED[parts.source.kind]})"
    about = About(
        plan.settings.method or "", trained_on, model.mean, model.std, summary["verdict"], settings,
        {k: v for k, v in result.items() if k != "about"}, parts.check.name if parts.check is not None else "",
        white=model.white,
    )  # fmt: skip
    certificate = model_folder.write(folder.path / "model", model.encoder, about)
    say(f"model    {folder.path / 'model'}: read by {certificate.loaders}; difference {certificate.difference:.2g}")
    ids = similar_ids(parts.source, parts.train_ids)[:SHEET_ROWS]
    assert parts.recipe is not None
    shown = ImageBatches(parts.source, parts.train_ids, parts.recipe, 1, seed, 1,
                         mode=plan.settings.view_mode or "fast")  # fmt: skip
    keys = None if parts.source.kind == "judged" else Keys(seed, 0, ids)
    pairs = views_sheet(parts.source.images(ids), shown.drawn(ids, 0), parts.recipe, keys)
    data = parts.source.name
    page.write(
        folder.path / "report.html", folder.rows(), summary, folder.config(), pairs=pairs, neighbours=questions,
        say=say,
        commands=[
            f"kontrast search {folder.path} {data} --query 0 --sheet found.png",
            f"kontrast embed {folder.path} {data} -o vectors.npy",
            f"kontrast evaluate {folder.path} {data}",
        ],
    )  # fmt: skip
    folder.write_json("summary.json", summary)








