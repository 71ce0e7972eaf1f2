"""The Bokeh document of a session: the map, which follows what is visible, and the curves of the run.

The page asks by writing into the source "wish" (colour: a column; only: a class, or -2 for all; across, down: cells of
the map that may hold a picture each), and is told by "legend" and by "lassoed", the name of a selection. What is
visible comes by Bokeh's own events.

Shapes: P points that are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast.errors import Unfit
from kontrast.live_page.answers import Answers
from kontrast.live_page.points import Mask
from kontrast.report import map_plot
from kontrast.report.curves import figures
from kontrast.report.map_plot import Box

ALL = -2  # the class that stands for all of them
WAIT = 60  # ms in which movements become one
FACES = 400  # pictures on the map, at most
FEW = 60  # of an index of many shards, each of which is read for its own
MANY_SHARDS = 16
INKS = np.array([int(ink[1:] + "ff", 16) for ink in (*map_plot.PALETTE, map_plot.OTHER)], np.uint32)


@dataclass(frozen=True)
class Explored:
    """What the page shows: the index that is asked, and words about it.

    title, told  of the page;  colour  the column that colours first, "" for none;  log  rows of the run's `log.jsonl`
    """

    answers: Answers
    title: str
    told: str
    colour: str = ""
    log: Sequence[Mapping[str, Any]] = field(default=())


class Session:
    """The map of one page that is open."""

    def __init__(self, explored: Explored, document: Any) -> None:
        from bokeh.events import RangesUpdate, Reset, SelectionGeometry
        from bokeh.models import ColumnDataSource

        self.answers, self.points, self.document = explored.answers, explored.answers.points, document
        self.box, self.colour, self.only = self.points.box, explored.colour, ALL
        self.waiting = False
        plot = map_plot.canvas(self.box)
        self.ground = map_plot.ground(plot)
        empty: dict[str, Any] = {"x": [], "y": [], "colour": [], "alpha": [], "row": []}
        self.marks = map_plot.points(plot, empty)
        self.faces = map_plot.faces(plot)
        self.cells = (0, 0)  # none before the page has said how large it is
        rings = ColumnDataSource({"x": [], "y": []}, name="rings")  # round the answers; the page fills it
        plot.scatter("x", "y", source=rings, size=16, fill_color=None, line_color="#e8590c", line_width=2.5)
        here = ColumnDataSource({"x": [], "y": []}, name="pointer")  # the answer under the pointer
        plot.scatter("x", "y", source=here, size=22, fill_color="#e8590c", fill_alpha=0.35, line_color=None)
        self.wish = ColumnDataSource({}, name="wish")
        self.legend = ColumnDataSource({}, name="legend")
        self.lassoed = ColumnDataSource({"name": [], "refused": []}, name="lassoed")
        self.wish.on_change("data", self.wished)
        plot.on_event(RangesUpdate, self.moved)
        plot.on_event(Reset, self.whole)
        plot.on_event(SelectionGeometry, self.drawn_around)
        document.title = explored.title
        for root in (plot, self.wish, self.legend, self.lassoed):
            document.add_root(root)
        for number, (chart, curve) in enumerate(figures(explored.log)):
            curve.name, curve.tags = f"curve{number}", [chart.title]
            document.add_root(curve)
        self.paint()

    # what happens

    def moved(self, event: Any) -> None:
        """Another part became visible."""
        self.box = (event.x0, event.y0, event.x1, event.y1)
        self.soon()

    def whole(self, _: Any) -> None:
        """The whole map is wanted again."""
        self.box = self.points.box
        self.soon()

    def wished(self, _: str, __: Any, new: Mapping[str, Sequence[Any]]) -> None:
        """The page wants another colour, class, or no pictures."""
        self.colour, self.only = str(new["colour"][0]), int(new["only"][0])
        self.cells = self.allowed(int(new["across"][0]), int(new["down"][0]))
        self.soon()

    def drawn_around(self, event: Any) -> None:
        """A line was drawn around points: all rows within it are kept as a selection, those not drawn as well."""
        line = event.geometry
        if line.get("type") != "poly" or not event.final:
            return
        try:
            rows = self.points.within(line["x"], line["y"], self.mask())
            self.lassoed.data = {"name": [self.answers.keep(rows)], "refused": [""]}
        except (Unfit, ValueError) as problem:
            self.lassoed.data = {"name": [""], "refused": [str(problem)]}

    # what is drawn

    def soon(self) -> None:
        """Paint, once, after what happens together has happened."""
        if not self.waiting:
            self.waiting = True
            self.document.add_timeout_callback(self.paint, WAIT)

    def mask(self) -> Mask | None:
        """The rows of the class that alone is wanted, if one is."""
        classes = self.answers.classes.get(self.colour)
        return None if classes is None or self.only == ALL else classes.codes == self.only

    def paint(self) -> None:
        """Draw what is visible: a sample of its rows, the density of all where there are more, some pictures."""
        self.waiting = False
        only = self.mask()
        rows, count = self.points.seen(self.box, only)
        places = self.points.places[rows]
        source = self.marks.data_source
        source.selected.indices = []
        for look in (
            self.marks.glyph,
            self.marks.selection_glyph,
            self.marks.nonselection_glyph,
            self.marks.hover_glyph,
        ):
            look.size = map_plot.size(len(rows))
        alpha = np.full(len(rows), 0.8, np.float32)
        source.data = {"x": places[:, 0], "y": places[:, 1], "colour": self.inks(rows), "alpha": alpha, "row": rows}
        self.ground.data = self.density(only) if count > len(rows) else {name: [] for name in self.ground.data}
        self.legend.data = self.counted(len(rows), count)
        some = map_plot.spread(places, self.cells) if min(self.cells) > 0 else []
        urls = [f"picture/{row}" for row in rows[some].tolist()]
        self.faces.data = {"x": places[some, 0], "y": places[some, 1], "url": urls}

    def allowed(self, across: int, down: int) -> tuple[int, int]:
        """Cells for pictures: as many as the page has room for, fewer where they would take long to read."""
        meta = self.answers.index.meta
        most = FEW if meta.shards > MANY_SHARDS else FACES
        shrunk = min(1.0, (most / max(1, across * down)) ** 0.5)
        return (int(across * shrunk), int(down * shrunk)) if meta.thumbnail else (0, 0)

    def density(self, only: Mask | None) -> dict[str, list[Any]]:
        """How many rows lie where in the visible part."""
        box = _met(self.box, self.points.box)
        if only is None and box == self.points.box:
            return self.points.density
        return map_plot.density(self.points.places if only is None else self.points.places[only], box)

    def inks(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """(P,): the colour of each row."""
        classes = self.answers.classes.get(self.colour)
        if classes is None:
            return np.full(len(rows), INKS[0], np.uint32)
        return INKS[classes.codes[rows]]  # -1 is the last one

    def counted(self, drawn: int, visible: int) -> dict[str, list[Any]]:
        """How many rows are drawn and visible, and the classes of all."""
        classes = self.answers.classes.get(self.colour)
        counts = {} if classes is None else classes.sizes
        codes = [] if classes is None else [*range(len(classes.values)), *([-1] if -1 in counts else [])]
        names = [] if classes is None else [classes.called(code) for code in codes]
        inks = [map_plot.OTHER if code < 0 else map_plot.PALETTE[code] for code in codes]
        told = {"code": codes, "name": names, "count": [counts.get(code, 0) for code in codes], "colour": inks}
        return {"drawn": [drawn], "visible": [visible], "classes": [told]}


def _met(one: Box, other: Box) -> Box:
    """The part that two parts share; the first one where they share none."""
    left, bottom = max(one[0], other[0]), max(one[1], other[1])
    right, top = min(one[2], other[2]), min(one[3], other[3])
    return (left, bottom, right, top) if left < right and bottom < top else one
