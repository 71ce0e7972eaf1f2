"""`report.html`: what a run learned, for someone who was not there. One offline file that asks for nothing.

The frame lives in `page.html`; `sections` writes what stands in it. Everything that came from data (file names, class
names) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from kontrast import files
from kontrast.evaluate.formatting import mood, sentence
from kontrast.report import sections
from kontrast.report.curves import drawn
from kontrast.report.image_neighbours import Question

FACTS = {  # field of config.yaml -> what a stranger calls it
    "data": "data",
    "encoder": "encoder",
    "tune": "what moves",
    "views": "views",
    "epochs": "epochs",
    "batch_size": "batch",
    "temperature": "temperature",
    "image_size": "picture size",
    "seed": "seed",
}
PAIRS = "Each row is one sample and the views drawn from it. The method learns to call them the same."


def write(
    path: Path,
    log: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    pairs: Image.Image | None = None,
    neighbours: Sequence[Question] = (),
    more: Sequence[str] = (),
    commands: Sequence[str] = (),
) -> list[str]:
    """Write the report of a run. What is empty is left out; without Bokeh the curves are, and that is returned to say.

    log         the rows of `log.jsonl`
    summary     `summary.json`: verdict, method, steps, seconds, samples_per_second, evaluation
    config      `config.yaml`; its few best-known fields are shown
    pairs       a sheet of real positive pairs
    more        further sections, from `sections`, after the evaluation
    neighbours  held-out pictures with their neighbours, from `gallery`
    commands    what to type next
    """
    messages = []
    try:
        script, charts = drawn(log)
    except ImportError:
        script, charts = "", []
        messages.append('the report has no curves, because Bokeh is not installed: pip install "bokeh>=3.6"')
    evaluation = summary.get("evaluation") or {}
    headline, others = _verdict(summary, evaluation)
    facts = [(name, config[key]) for key, name in FACTS.items() if config.get(key) is not None]
    parts = [
        sections.evaluation(evaluation),
        sections.frozen(summary.get("frozen") or {}),
        sections.questions(neighbours),
        *more,
        sections.curves(charts, log, messages),
        sections.positives(pairs, PAIRS),
        sections.commands(commands),
    ]
    page = Template(resources.files("kontrast.report").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(_title(path, summary)),
        subtitle=escape(_subtitle(summary)),
        mood=_mood(summary, evaluation),
        headline=escape(headline),
        verdict="\n".join(f"<p>{escape(line)}</p>" for line in others),
        facts="\n".join(f"<div><dt>{escape(k)}</dt><dd>{escape(str(v))}</dd></div>" for k, v in facts),
        sections="\n".join(parts),
        script=script,
        k=max((len(found) for one in neighbours for found in one.answers.values()), default=8),
    )
    files.write(path, page)
    return messages


def _title(path: Path, summary: Mapping[str, Any]) -> str:
    return f"{path.resolve().parent.name}: {summary['method']}" if "method" in summary else path.resolve().parent.name


def _subtitle(summary: Mapping[str, Any]) -> str:
    parts = []
    if "steps" in summary:
        parts.append(f"{summary['steps']:,} steps")
    if "seconds" in summary:
        parts.append(f"{summary['seconds']:,.0f} s")
    if "samples_per_second" in summary:
        parts.append(f"{summary['samples_per_second']:,.0f} samples a second")
    return " · ".join(parts)


def _verdict(summary: Mapping[str, Any], evaluation: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The headline and what stands below it. A sick run is said first; else what was learned is."""
    watched = str(summary.get("verdict", ""))
    lines = [watched[:1].upper() + watched[1:]] if watched else []
    if learned := str(summary.get("learned") or (sentence(evaluation) if "learned" in evaluation else "")):
        lines = [*lines, learned] if watched.startswith(("collapsed", "guessing")) else [learned, *lines]
    lines += [str(told) for told in summary.get("not_evaluated", ())]
    return (lines[0], lines[1:]) if lines else ("No verdict was recorded.", [])


def _mood(summary: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    watched = str(summary.get("verdict", ""))
    if watched.startswith("collapsed"):
        return "bad"
    if watched.startswith("guessing"):
        return "unsure"
    if "WARNING" in str(summary.get("learned")):
        return "bad"
    return mood(evaluation) if "learned" in evaluation else "good" if watched.startswith("healthy") else "unsure"
