"""What a run leaves, in one order for every kind of data: model, evaluation, words, report, summary.

The model is written before anything is measured: what cannot be measured costs a sentence and never the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import Any, TypeVar

from kontrast.data.pixels.store import Lost
from kontrast.errors import Failed, Unfit
from kontrast.exchange.card import About
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import Opened, Samples, Sections
from kontrast.recipes.resolve import Plan
from kontrast.report import page
from kontrast.settings import widths_of
from kontrast.training.run_folder import Folder

TRIES = 3
Found = TypeVar("Found")
SHOWN = (
    "encoder",
    "tune",
    "image_size",
    "views",
    "epochs",
    "batch_size",
    "temperature",
    "lr",
    "seed",
    "precision",
    "widths",
)


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
        summary["verdict"],
        {name: settings[name] for name in SHOWN if name in settings},
    )
    try:
        certificate = opened.export(folder.path / "model", model, about)
        say(f"model    {folder.path / 'model'}: read by {certificate.loaders}; difference {certificate.difference:.2g}")
        seen, widths = (samples.source, samples.train_ids), widths_of(plan.settings.widths)
        columns, measured = columns_of(model, before, plan.settings.seed, seen, widths)
        looks, chosen = Looks(samples, say), _chosen_on(plan, samples)
        result: dict[str, Any] = {}
        if samples.check is not None:
            result = looks.at("evaluation", lambda: opened.evaluate(columns), result)
        if result:
            result["about"]["notes"] += [note for note in (measured, chosen) if note]
            for line in opened.table(result):
                say(line)
            numbers = {who: found for who, found in result.items() if who != "about"}
            on = samples.check.name if samples.check else ""
            about = replace(about, evaluation=numbers, evaluated_on=f"{on}; {chosen}" if chosen else on)
            certificate.write_card(folder.path / "model", about)
        told = [summary["frozen"]["sentence"]] if "frozen" in summary else []
        told += [opened.sentence(result)] if result else []
        summary |= {"learned": " ".join(told), "evaluation": result}
        summary |= {"chosen": chosen} if chosen else {}
        if "halfway" in result.get("about", {}):
            summary["halfway"] = result["about"]["halfway"]
        shown = looks.at("pictures in the report", lambda: opened.sections(columns, result, folder.path), Sections())
        summary |= {"not_evaluated": looks.missed} if looks.missed else {}
        summary |= {"skipped": skipped} if (skipped := samples.skipped()) else {}
        for line in page.write(folder.path / "report.html", folder.rows(), summary, folder.config(), **vars(shown)):
            say(line)
        folder.write_json("summary.json", summary)
    except OSError as problem:
        raise Failed(
            f"The model cannot be written: {problem}. Make room; kontrast train --resume {quote(str(folder.path))} "
            "tries again."
        ) from problem


def _chosen_on(plan: Plan, samples: Samples) -> str:
    """Whether what chose the weights is what is reported."""
    if not plan.settings.evaluate_every or samples.check is None:
        return ""
    if samples.choose is None:
        return "the weights were chosen on the same items (--evaluate-every), so their score is a little too good"
    return f"the weights were chosen on other items: {samples.choose.name}"


@dataclass
class Looks:
    """What is looked at after the model was written. What fails there costs a sentence, kept in `missed`."""

    samples: Samples
    say: Callable[[str], None]
    missed: list[str] = field(default_factory=list)

    def at(self, what: str, look: Callable[[], Found], otherwise: Found) -> Found:
        """What `look` finds, or `otherwise`. Pictures that went while it looked are left out, and it looks again."""
        for _ in range(TRIES):
            try:
                return look()
            except Lost as lost:
                self.samples.leave_out(lost.reasons, lost.names)
                self.samples.look_at_all()
                self.say(f"skipped  {lost}")
                problem: Exception = lost
            except Exception as failure:  # whatever it is, the model is there
                problem = failure
                break
        ours = "" if isinstance(problem, Unfit | Failed) else f"failed inside: {type(problem).__name__}: "
        told = f"No {what}: {ours}{problem}"
        self.missed.append(told)
        self.say(f"         {told}")
        return otherwise
