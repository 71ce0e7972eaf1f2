"""What a run leaves, in one order for every kind of data: model, evaluation, words, report, summary.

The model is written before anything is measured: what cannot be measured costs a sentence and never the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from safetensors import SafetensorError

from kontrast.data.source import CALLED
from kontrast.errors import Failed
from kontrast.exchange.card import About
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import Opened, Samples
from kontrast.recipes.resolve import Plan
from kontrast.report import page
from kontrast.training.run_folder import Folder

SHOWN = ("encoder", "image_size", "views", "epochs", "batch_size", "temperature", "lr", "seed", "precision")


def finish(
    folder: Folder,
    plan: Plan,
    samples: Samples,
    opened: Opened,
    models: tuple[Any, Any],
    summary: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    """Write model/, report.html and summary.json; `summary` receives `learned` and `evaluation`.

    models: the learned one; and the one that the run began with, or None where its weights were random.
    """
    model, before = models
    settings = plan.settings.requested()
    about = About(
        plan.settings.method, f"{samples.source.name} ({len(samples.train_ids):,} {CALLED[samples.source.kind]})",
        summary["verdict"], {name: settings[name] for name in SHOWN if name in settings},
    )  # fmt: skip
    try:
        certificate = opened.export(folder.path / "model", model, about)
        say(f"model    {folder.path / 'model'}: read by {certificate.loaders}; difference {certificate.difference:.2g}")
        columns = columns_of(model, before, plan.settings.seed)
        result = opened.evaluate(columns) if samples.check is not None else {}
        for line in opened.table(result) if result else ():
            say(line)
        summary |= {"learned": opened.sentence(result) if result else "", "evaluation": result}
        if "halfway" in result.get("about", {}):
            summary["halfway"] = result["about"]["halfway"]
        if samples.check is not None:
            numbers = {who: found for who, found in result.items() if who != "about"}
            about = replace(about, evaluation=numbers, evaluated_on=samples.check.name)
            certificate.write_card(folder.path / "model", about)
        shown = opened.sections(columns, result, folder.path)
        page.write(folder.path / "report.html", folder.rows(), summary, folder.config(), say=say, **vars(shown))
        folder.write_json("summary.json", summary)
    except (OSError, SafetensorError) as problem:
        raise Failed(
            f"The model cannot be written: {problem}. Make room; kontrast train --resume {folder.path} tries again."
        ) from problem
