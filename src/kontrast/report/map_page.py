"""A map as one offline HTML file: points that are looked at, coloured, searched, chosen with a lasso and saved.

The frame and its behaviour lie in `map.html`, `map.css` and `map.js`; Bokeh draws on a canvas. Everything is inline and
the page may ask for nothing from anywhere. What came from data reaches the page as JSON and is set as text, never as
HTML.

Shapes: P points that are drawn, N rows in all.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast import files
from kontrast.report import map_plot

JPEG = b"\xff\xd8"  # how one begins


@dataclass(frozen=True)
class Drawing:
    """What a map shows.

    places     (N, 2), of all rows;  drawn  (P,) rows that are points
    names      what each point is called;  pictures  its thumbnail, encoded, b"" for none
    near       (P, k) points nearest to each, in the full space
    columns    by name, the value of each point, for colours, the panel and the CSV
    colour     the column that colours first; "" for none
    """

    title: str
    told: str
    places: npt.NDArray[np.float32]
    drawn: npt.NDArray[np.int64]
    names: Sequence[str]
    pictures: Sequence[bytes] = ()
    near: npt.NDArray[np.int64] | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    colour: str = ""


def write(path: Path, drawing: Drawing) -> None:
    """Write the page."""
    from bokeh.embed import components
    from bokeh.resources import Resources

    script, place = components(_figure(drawing), wrap_script=False)
    page = Template(part("map.html")).substitute(
        title=escape(drawing.title),
        told=escape(drawing.told),
        style=part("map.css"),
        parts=part("map.js"),
        bokeh=Resources(mode="inline", components=["bokeh"]).render(),
        place=place,
        script=script,
        content=as_json(_content(drawing)),
    )
    files.write(path, page)


def part(name: str) -> str:
    """The text of a file that pages of maps are made of."""
    return resources.files("kontrast.report").joinpath(name).read_text("utf-8")


def as_json(content: Any) -> str:
    """JSON that ends no script, whatever a name holds."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _content(drawing: Drawing) -> dict[str, Any]:
    """What the page's own script knows of the points."""
    pictures = [
        f"data:image/{'jpeg' if raw[:2] == JPEG else 'png'};base64,{base64.b64encode(raw).decode()}" if raw else ""
        for raw in drawing.pictures
    ]
    coloured = {}
    for name, values in drawing.columns.items():
        words = ["" if value is None else str(value) for value in values]
        distinct, counts = np.unique(words, return_counts=True)
        top = map_plot.classes(distinct.tolist(), counts, len(words))
        if top:
            number = {word: place for place, word in enumerate(top)}
            coloured[name] = {"values": top, "codes": [number.get(word, -1) for word in words]}
    return {
        "names": list(drawing.names),
        "pictures": pictures,
        "near": [] if drawing.near is None else drawing.near.tolist(),
        "columns": {name: ["" if v is None else v for v in values] for name, values in drawing.columns.items()},
        "coloured": coloured,
        "colour": drawing.colour if drawing.colour in coloured else next(iter(coloured), ""),
        "palette": map_plot.PALETTE,
        "other": map_plot.OTHER,
        "spread": spread(drawing),
        "rows": len(drawing.places),
    }


def _figure(drawing: Drawing) -> Any:
    box = map_plot.around(drawing.places)
    plot = map_plot.canvas(box)
    if len(drawing.drawn) < len(drawing.places):
        map_plot.ground(plot).data = map_plot.density(drawing.places, box)
    places = drawing.places[drawing.drawn]
    columns = {"x": places[:, 0], "y": places[:, 1], "colour": np.full(len(places), 0x3B82C4FF, np.uint32)}
    map_plot.points(plot, {**columns, "alpha": np.full(len(places), 0.75, np.float32)})
    map_plot.faces(plot)  # filled by the page, where it has pictures
    return plot


def spread(drawing: Drawing) -> list[int]:
    """Points with a picture, one from each cell of a coarse grid, the one nearest to its middle."""
    pictured = np.flatnonzero([bool(raw) for raw in drawing.pictures])
    places = drawing.places[drawing.drawn]
    return [int(pictured[place]) for place in map_plot.spread(places[pictured])]
