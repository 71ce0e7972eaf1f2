"""`kontrast explore INDEX`: the map as a live page on this machine, and whoever looks may ask it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kontrast.commands.search_index import of_index
from kontrast.errors import Interrupted, Unfit
from kontrast.live_page.answers import Answers
from kontrast.live_page.document import Explored
from kontrast.live_page.points import Points
from kontrast.live_page.server import serve
from kontrast.vector_index.layout import Index
from kontrast.vector_index.project import layout

PORTS = 65_536


def explore(
    folder: str | Path | Index,
    *,
    port: int = 0,
    how: str = "auto",
    colour: str | None = None,
    model: str | Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page until interrupted; `say` is told the address and what cannot be asked.

    port    of 127.0.0.1; 0: any that is free
    how     pca, tsne, umap or auto, as `map_index` takes it;  colour  the column that colours first
    model   the folder of the model, where it has moved; without it words and pictures cannot be asked, and that is said

    Unfit for a port that is taken, a column that is not there, and an index that is not whole.
    """
    explored, lines = prepared(folder, port=port, how=how, colour=colour, model=model, seed=seed)
    for line in lines:
        say(line)
    try:
        serve(explored, port, lambda address: say(f"open     {address}    (Ctrl-C ends it)"))
    except Interrupted:
        say("ended    nothing is left; selections that were not saved are gone")


def prepared(
    folder: str | Path | Index,
    *,
    port: int = 0,
    how: str = "auto",
    colour: str | None = None,
    model: str | Path | None = None,
    seed: int = 0,
) -> tuple[Explored, list[str]]:
    """(what the page shows, the lines that say it)."""
    if not 0 <= port < PORTS:
        raise Unfit(f"--port {port}: a number from 0 to {PORTS - 1:,} was expected; 0 takes any that is free.")
    index = folder if isinstance(folder, Index) else Index.open(folder)
    if colour is not None and colour not in index.columns:
        raise Unfit(f"--colour {colour}: {index.folder} has the columns {', '.join(index.columns)}.")
    found = layout(index, how, seed=seed)
    lines = [f"explore  {len(index):,} rows; {found.line()}"]
    try:
        in_use = of_index(index, model)
    except Unfit as problem:
        if model is not None:
            raise
        in_use = None
        lines.append(f"         no questions by new words or pictures: {problem}")
    answers = Answers(index, Points(found.places, seed=seed), in_use)
    first = next((name for name in (colour, "label", *answers.classes) if name in answers.classes), "")
    told = f"{len(index):,} rows; {found.line()}."
    return Explored(answers, Path(index.meta.data).name, told, first or "", _log(Path(index.meta.model))), lines


def _log(model: Path) -> list[dict[str, Any]]:
    """What the run wrote while it learned, where the model is that of a run."""
    for folder in (model, model.parent):
        file = folder / "log.jsonl"
        if file.is_file():
            try:
                return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
            except (OSError, ValueError):
                return []
    return []
