"""`report.html`: what a run learned, for someone who was not there. One offline file that asks for nothing.

The frame lives in `page.html`; `sections` writes what stands in it. Everything that came from data (file names, class
names) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from kontrast.evaluate.words import mood, sentence
from kontrast.explore import sections
from kontrast.explore.curves import drawn
from kontrast.explore.gallery import Question


@dataclass(frozen=True)
class Story:
    """All that a report tells. Whatever is empty is left out of the page.

    summary    `summary.json`: verdict, method, steps, seconds, evaluation
    log        the rows of `log.jsonl`
    facts      name -> value, shown in one line: data, encoder, batch size, ...
    positives  a sheet of real positive pairs, and what it shows
    questions  held-out pictures with their neighbours, see `gallery`
    commands   what to type next
    """

    name: str
    summary: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    positives: Image.Image | None = None
    positives_said: str = ""
    questions: Sequence[Question] = ()
    commands: Sequence[str] = ()


def report(path: Path, story: Story) -> list[str]:
    """Write the page; returns the lines to say aloud. Without Bokeh it is written without curves, and says so."""
    said = []
    try:
        script, charts = drawn(story.log)
    except ImportError:
        script, charts = "", []
        said.append('the report has no curves, because Bokeh is not installed: pip install "bokeh>=3.6"')
    evaluation = story.summary.get("evaluation") or {}
    headline, others = _verdict(story.summary, evaluation)
    parts = [
        sections.evaluation(evaluation),
        sections.questions(story.questions),
        sections.curves(charts, story.log, said),
        sections.positives(story.positives, story.positives_said),
        sections.commands(story.commands),
    ]
    page = Template(files("kontrast.explore").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(story.name),
        subtitle=escape(_subtitle(story.summary)),
        mood=_mood(story.summary, evaluation),
        headline=escape(headline),
        verdict="\n".join(f"<p>{escape(line)}</p>" for line in others),
        facts="\n".join(f"<div><dt>{escape(k)}</dt><dd>{escape(str(v))}</dd></div>" for k, v in story.facts.items()),
        sections="\n".join(parts),
        script=script,
        k=max((len(found) for one in story.questions for found in one.answers.values()), default=8),
    )
    path.write_text(page, "utf-8")
    return said


def _subtitle(summary: Mapping[str, Any]) -> str:
    parts = [str(summary["method"])] if "method" in summary else []
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
    if "learned" in evaluation:
        learned = sentence(evaluation)
        lines = [*lines, learned] if watched.startswith(("collapsed", "guessing")) else [learned, *lines]
    return (lines[0], lines[1:]) if lines else ("No verdict was recorded.", [])


def _mood(summary: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    watched = str(summary.get("verdict", ""))
    if watched.startswith("collapsed"):
        return "bad"
    if watched.startswith("guessing"):
        return "unsure"
    return mood(evaluation) if "learned" in evaluation else "good" if watched.startswith("healthy") else "unsure"
