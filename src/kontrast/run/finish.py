"""What a run leaves, in one order for every kind of data: model, evaluation, words, report, summary.

The model is written before anything is measured: what cannot be measured costs a sentence and never the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from safetensors import SafetensorError

from kontrast.errors import Failed, Unfit
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
        plan.name,
        f"{samples.source.name} ({len(samples.train_ids):,} {samples.source.called})",
        (),
        (),
        summary["verdict"],
        {name: settings[name] for name in SHOWN if name in settings},
    )
    try:
        certificate = opened.export(folder.path / "model", model, about)
        say(f"model    {folder.path / 'model'}: read by {certificate.loaders}; difference {certificate.difference:.2g}")
        columns, measured = columns_of(model, before, plan.settings.seed, (samples.source, samples.train_ids))
        chosen = _chosen_on(plan, samples)
        try:
            result = opened.evaluate(columns) if samples.check is not None else {}
        except Unfit as problem:
            result, summary["learned"] = {}, f"Not evaluated: {problem}"
            say(summary["learned"])
        if result:
            result["about"]["notes"] += [note for note in (measured, chosen) if note]
            summary["learned"] = opened.sentence(result)
        for line in opened.table(result) if result else ():
            say(line)
        summary |= {"learned": summary.get("learned", ""), "evaluation": result}
        summary |= {"chosen": chosen} if chosen else {}
        if "halfway" in result.get("about", {}):
            summary["halfway"] = result["about"]["halfway"]
        if samples.check is not None:
            numbers = {who: found for who, found in result.items() if who != "about"}
            on = f"{samples.check.name}; {chosen}" if chosen else samples.check.name
            about = replace(about, evaluation=numbers, evaluated_on=on)
            certificate.write_card(folder.path / "model", about)
        shown = opened.sections(columns, result, folder.path)
        for line in page.write(folder.path / "report.html", folder.rows(), summary, folder.config(), **vars(shown)):
            say(line)
        folder.write_json("summary.json", summary)
    except (OSError, SafetensorError) as problem:
        raise Failed(
            f"The model cannot be written: {problem}. Make room; kontrast train --resume {folder.path} tries again."
        ) from problem


def _chosen_on(plan: Plan, samples: Samples) -> str:
    """Whether what chose the weights is what is reported."""
    if not plan.settings.evaluate_every or samples.check is None:
        return ""
    if samples.choose is None:
        return "the weights were chosen on the same items (--evaluate-every), so their score is a little too good"
    return f"the weights were chosen on other items: {samples.choose.name}"
