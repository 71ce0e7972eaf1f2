"""The plot of a map: points on a canvas, the density of all rows under them, pictures over them. No WebGL.

The page of `kontrast map` and the live one of `kontrast explore` draw with the same parts.

Shapes: N rows in all, P points that are drawn.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Places: TypeAlias = "npt.NDArray[np.float32]"
Box: TypeAlias = "tuple[float, float, float, float]"  # left, bottom, right, top

GRID = (1_600, 160_000)  # cells of the density picture, at least and at most
FULL = 4  # rows of a cell, of few rows: fewer would be grains, and no density
MARGIN = 0.03  # of the width of the map, around its points
CLASSES = 20  # values of a column that have colours of their own
FACE = 32  # pixels of a picture on the map
CELLS = (20, 12)  # of the map, each with one picture at most
INK = (60, 110, 165)  # of the density
PALETTE = (  # of the classes, in their order
    *("#3b82c4", "#e07b2a", "#2a9d6f", "#c8454b", "#8a63c9", "#a0673f", "#d666a8", "#7a828a", "#a8a52a", "#22a7b8"),
    *("#8fb8e0", "#f2b27a", "#86d0a9", "#ea9a97", "#c2abe6", "#cda98c", "#efaed4", "#b4bbc1", "#d3d07c", "#8ad5df"),
)
OTHER = "#9aa3ab"  # of what is in no class


def around(places_N2: Places) -> Box:
    """The part of the plane that holds all places, with a margin."""
    low, high = places_N2.min(axis=0), places_N2.max(axis=0)
    rim = MARGIN * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = (low - rim).tolist(), (high + rim).tolist()
    return left, bottom, right, top


def classes(words: Sequence[str], counts: npt.NDArray[np.int64], rows: int) -> list[str]:
    """Values of a column that have colours of their own: the most frequent, numbers by their size before words.

    None where all rows have one value, or where these are less than half of the rows.
    """
    order = np.lexsort((np.asarray(words), -counts))[:CLASSES]
    if len(words) < 2 or counts[order].sum() <= rows / 2:
        return []
    return sorted((words[place] for place in order.tolist()), key=_natural)


def _natural(word: str) -> tuple[bool, float, str]:
    """Numbers by their size, before words."""
    try:
        return False, float(word), word
    except ValueError:
        return True, 0.0, word


def canvas(box: Box) -> Any:
    """An empty plot of this part of the plane, with the tools to move, choose and look."""
    from bokeh.models import BoxZoomTool, LassoSelectTool, PanTool, Range1d, ResetTool, TapTool, WheelZoomTool
    from bokeh.plotting import figure

    left, bottom, right, top = box
    lasso, wheel = LassoSelectTool(continuous=False), WheelZoomTool()
    plot = figure(
        name="map",
        sizing_mode="stretch_both",
        output_backend="canvas",
        toolbar_location="above",
        match_aspect=True,
        x_range=Range1d(left, right),
        y_range=Range1d(bottom, top),
        tools=[PanTool(), lasso, BoxZoomTool(match_aspect=True), wheel, ResetTool(), TapTool()],
        active_scroll=wheel,
        active_drag=lasso,
    )
    plot.toolbar.logo = None
    plot.axis.visible = plot.grid.visible = False
    plot.background_fill_alpha = plot.border_fill_alpha = 0
    plot.outline_line_color = None
    plot.min_border = 0
    return plot


def points(plot: Any, columns: dict[str, Any]) -> Any:
    """Draw points: x, y, colour, alpha. Their source is called "points"; returns how they look, to be changed."""
    from bokeh.models import ColumnDataSource, HoverTool

    marks = plot.scatter(
        "x",
        "y",
        source=ColumnDataSource(columns, name="points"),
        size=size(len(columns["x"])),
        fill_color="colour",
        fill_alpha="alpha",
        line_color=None,
        nonselection_fill_alpha=0.3,
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
    return marks


def size(count: int) -> float:
    """Pixels of a point, of so many."""
    return float(np.clip(240 / np.sqrt(max(1, count)), 3.0, 10.0))


def faces(plot: Any) -> Any:
    """Room for pictures over the points, x, y, url, whose source is called "faces"; returns that."""
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource({"x": [], "y": [], "url": []}, name="faces")
    how = {"w_units": "screen", "h_units": "screen", "anchor": "center"}
    plot.image_url("url", x="x", y="y", w=FACE, h=FACE, source=source, **how)
    return source


def ground(plot: Any) -> Any:
    """Room for one picture under the points, url, x, y, w, h; returns its source."""
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource({name: [] for name in ("url", "x", "y", "w", "h")})
    plot.image_url("url", x="x", y="y", w="w", h="h", anchor="bottom_left", source=source)
    return source


def density(places_N2: Places, box: Box) -> dict[str, list[Any]]:
    """How many rows lie where in this part: a picture of one ink, the darker the more, as `ground` draws it."""
    left, bottom, right, top = box
    x, y = places_N2[:, 0], places_N2[:, 1]
    here = (x >= left) & (x < right) & (y >= bottom) & (y < top)
    cells = float(np.clip(np.count_nonzero(here) / FULL, *GRID))
    side = ((right - left) * (top - bottom) / cells) ** 0.5
    across, down = (max(1, round(length / side)) for length in (right - left, top - bottom))
    column = ((x[here] - left) * (across / (right - left))).astype(np.int64).clip(max=across - 1)
    row = ((y[here] - bottom) * (down / (top - bottom))).astype(np.int64).clip(max=down - 1)
    counts = np.bincount(row * across + column, minlength=across * down).reshape(down, across)
    depth = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9)
    picture = np.zeros((down, across, 4), np.uint8)
    picture[..., :3] = INK
    picture[..., 3] = (170 * depth[::-1]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"url": [url], "x": [left], "y": [bottom], "w": [right - left], "h": [top - bottom]}


def spread(points_P2: Places, cells: tuple[int, int] = CELLS) -> list[int]:
    """Points that pictures may stand on: one from each cell of a coarse grid over them, the nearest to its middle."""
    if not len(points_P2):
        return []
    low, high = points_P2.min(axis=0), points_P2.max(axis=0)
    place = (points_P2 - low) / (np.maximum(high - low, 1e-6) / np.array(cells))
    at = np.minimum(place.astype(np.int64), np.array(cells) - 1)
    far = ((place - at - 0.5) ** 2).sum(axis=1)
    order = np.lexsort((np.arange(len(far)), far))
    _, first = np.unique((at[:, 0] * cells[1] + at[:, 1])[order], return_index=True)
    found: list[int] = np.sort(order[first]).tolist()
    return found
