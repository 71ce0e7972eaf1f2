"""A map as one offline HTML file: points that are looked at, coloured, searched, chosen with a lasso and saved.

The frame and its behaviour lie in `map.html`; Bokeh draws on a canvas. Everything is inline and the page may ask for
nothing from anywhere. What came from data reaches the page as JSON and is set as text, never as HTML.

Shapes: P points that are drawn, N rows in all.
"""

from __future__ import annotations

import base64
import io
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
from PIL import Image

from kontrast import files

GRID = 400  # cells of the density picture on either side
MARGIN = 0.03  # of the width of the map, around its points
CLASSES = 20  # values of a column that have colours of their own
JPEG = b"\xff\xd8"  # how one begins
FACE = 32  # pixels of a picture on the map
CELLS = (20, 12)  # of the map, each with one picture at most
INK = (60, 110, 165)


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
    page = Template(resources.files("kontrast.report").joinpath("map.html").read_text("utf-8")).substitute(
        title=escape(drawing.title),
        told=escape(drawing.told),
        bokeh=Resources(mode="inline", components=["bokeh"]).render(),
        place=place,
        script=script,
        content=_json(_content(drawing)),
    )
    files.write(path, page)


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
        order = np.lexsort((distinct, -counts))[:CLASSES]
        if len(distinct) > 1 and counts[order].sum() > len(words) / 2:
            top = sorted(distinct[order].tolist(), key=_natural)
            number = {word: place for place, word in enumerate(top)}
            coloured[name] = {"values": top, "codes": [number.get(word, -1) for word in words]}
    return {
        "names": list(drawing.names),
        "pictures": pictures,
        "near": [] if drawing.near is None else drawing.near.tolist(),
        "columns": {name: ["" if v is None else v for v in values] for name, values in drawing.columns.items()},
        "coloured": coloured,
        "colour": drawing.colour if drawing.colour in coloured else next(iter(coloured), ""),
        "spread": spread(drawing),
        "rows": len(drawing.places),
    }


def _natural(word: str) -> tuple[bool, float, str]:
    """Numbers by their size, before words."""
    try:
        return False, float(word), word
    except ValueError:
        return True, 0.0, word


def _json(content: Any) -> str:
    """JSON that ends no script, whatever a name holds."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _figure(drawing: Drawing) -> Any:
    from bokeh.models import (
        BoxZoomTool,
        ColumnDataSource,
        HoverTool,
        LassoSelectTool,
        PanTool,
        Range1d,
        ResetTool,
        TapTool,
        WheelZoomTool,
    )
    from bokeh.plotting import figure

    low, high = drawing.places.min(axis=0), drawing.places.max(axis=0)
    rim = MARGIN * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = (low - rim).tolist(), (high + rim).tolist()
    lasso, wheel, pan = LassoSelectTool(continuous=False), WheelZoomTool(), PanTool()
    plot = figure(
        name="map",
        sizing_mode="stretch_both",
        output_backend="canvas",
        toolbar_location="above",
        match_aspect=True,
        x_range=Range1d(left, right),
        y_range=Range1d(bottom, top),
        tools=[pan, lasso, BoxZoomTool(match_aspect=True), wheel, ResetTool(), TapTool()],
        active_scroll=wheel,
        active_drag=lasso,
    )
    plot.toolbar.logo = None
    plot.axis.visible = plot.grid.visible = False
    plot.background_fill_alpha = plot.border_fill_alpha = 0
    plot.outline_line_color = None
    plot.min_border = 0
    if len(drawing.drawn) < len(drawing.places):
        plot.image_url(
            [_density(drawing.places, (left, bottom, right, top))],
            x=left,
            y=bottom,
            w=right - left,
            h=top - bottom,
            anchor="bottom_left",
        )
    points = drawing.places[drawing.drawn]
    count = len(points)
    source = ColumnDataSource(
        {
            "x": points[:, 0],
            "y": points[:, 1],
            "colour": np.full(count, 0x3B82C4FF, np.uint32),
            "alpha": np.full(count, 0.75, np.float32),
        },
        name="points",
    )
    size = float(np.clip(240 / np.sqrt(count), 3.0, 10.0))
    marks = plot.scatter(
        "x",
        "y",
        source=source,
        size=size,
        fill_color="colour",
        fill_alpha="alpha",
        line_color=None,
        nonselection_fill_alpha=0.12,
        nonselection_fill_color="colour",
        nonselection_line_color=None,
        selection_fill_alpha=0.95,
        selection_fill_color="colour",
        selection_line_color=None,
        hover_fill_color="colour",
        hover_fill_alpha=1.0,
        hover_line_color="#888888",
    )
    plot.add_tools(HoverTool(renderers=[marks], tooltips=None))
    faces = ColumnDataSource({"x": [], "y": [], "url": []}, name="faces")  # filled by the page, where it has pictures
    plot.image_url(
        "url", x="x", y="y", w=FACE, h=FACE, w_units="screen", h_units="screen", anchor="center", source=faces
    )
    return plot


def spread(drawing: Drawing) -> list[int]:
    """Points with a picture, one from each cell of a coarse grid, the one nearest to its middle."""
    points = drawing.places[drawing.drawn]
    low, high = points.min(axis=0), points.max(axis=0)
    cell = np.maximum(high - low, 1e-6) / CELLS
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for number, place in enumerate((points - low) / cell):
        if drawing.pictures[number : number + 1] and drawing.pictures[number]:
            at = np.minimum(place.astype(int), np.array(CELLS) - 1)
            far = float(((place - at - 0.5) ** 2).sum())
            key = (int(at[0]), int(at[1]))
            best[key] = min(best.get(key, (9.0, number)), (far, number))
    return sorted(number for _, number in best.values())


def _density(places: npt.NDArray[np.float32], box: tuple[float, float, float, float]) -> str:
    """How many rows lie where, as a picture of one ink that is the darker the more."""
    left, bottom, right, top = box
    counts, _, _ = np.histogram2d(places[:, 1], places[:, 0], bins=GRID, range=[[bottom, top], [left, right]])
    depth = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9)
    picture = np.zeros((GRID, GRID, 4), np.uint8)
    picture[..., :3] = INK
    picture[..., 3] = (170 * depth[::-1]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
