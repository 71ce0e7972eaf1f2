"""The page of `kontrast compare`: scores side by side, how the runs differ, and whose neighbours have changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from kontrast import files
from kontrast.report.sections import quotes
from kontrast.report.text_neighbours import Quote

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Comparison:
    """What the page says.

    names     of the models;  scores  rows of a test and a value for each;  settings  rows of a name and values
    headline  the sentence on top;  lines  below it
    changed   the samples whose neighbours changed most, with those that each model finds
    """

    names: Sequence[str]
    data: str
    headline: str
    lines: Sequence[str]
    scores: Rows
    settings: Rows
    changed: Sequence[Quote]


def write(path: Path, found: Comparison) -> None:
    """Write the page: one offline file."""
    caption = (
        "Samples whose nearest neighbours are the most unlike in the two spaces, the most changed first. Look which "
        "of the two you would rather have."
    )
    parts = [
        _table(
            "Scores",
            "Same tests on the same items; below a value its 95 % range.",
            ["test", *found.names],
            found.scores,
        ),
        _table("Settings that differ", "", ["setting", *found.names], found.settings),
        quotes(found.changed, "Whose neighbours have changed", caption, own="found by the other one, too"),
    ]
    page = Template(resources.files("kontrast.report").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(" and ".join(found.names)),
        subtitle=escape(f"compared on {found.data}"),
        mood="unsure",
        headline=escape(found.headline),
        verdict="\n".join(f"<p>{escape(line)}</p>" for line in found.lines),
        facts="",
        sections="\n".join(parts),
        script="",
        k=8,
    )
    files.write(path, page)


def _table(title: str, caption: str, head: Sequence[str], rows: Rows) -> str:
    if not rows:
        return ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ""
    for first, *rest in rows:
        cells = "".join(f"<td>{'<br>'.join(map(escape, cell.splitlines()))}</td>" for cell in rest)
        lines += f"<tr><th>{escape(first)}</th>{cells}</tr>"
    table = f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'
    return f"<section><h2>{escape(title)}</h2>{f'<p>{escape(caption)}</p>' if caption else ''}{table}</section>"
