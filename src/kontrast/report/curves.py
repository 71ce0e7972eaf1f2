"""The curves of a run, drawn with Bokeh: each beside the value that means nothing was learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Rows: TypeAlias = "Sequence[Mapping[str, Any]]"

POINTS = 1500  # per line; longer logs are thinned evenly
BLUE, ORANGE, GREY = "#3b82c4", "#d97a2b", "#8a939c"  # legible on light and dark paper, and to the colour-blind


@dataclass(frozen=True)
class Chart:
    """One drawing: the log keys of its lines, named; the dashed line is what guessing or a healthy run has."""

    title: str
    lines: Mapping[str, str]
    dashed: tuple[str, str] | None
    caption: str
    from_zero: bool = True
    percent: bool = False


CHARTS = (
    Chart(
        "Loss",
        {"loss": "loss", "held_out_loss": "held-out loss"},
        ("guessing", "guessing"),
        "How surprised the method is by the right partner. It ends at {loss:.2f}; pure guessing gives {guessing:.2f} "
        "(dashed).",
        from_zero=False,
    ),
    Chart(
        "Own view found first",
        {"retrieval_at_1": "found"},
        ("retrieval_chance", "guessing"),
        "Share of a batch whose other view is its nearest neighbour: {retrieval_at_1:.0%} at the end; guessing finds "
        "{retrieval_chance:.1%}.",
        percent=True,
    ),
    Chart(
        "Spread of the outputs",
        {"spread": "projector", "encoder_spread": "encoder"},
        ("healthy_spread", "even"),
        "How much the outputs differ: {spread:.3f} at the end. {healthy_spread:.3f} (dashed) uses all directions "
        "evenly; 0 is collapse, all outputs equal.",
    ),
    Chart(
        "Directions in use",
        {"effective_rank": "projector", "encoder_effective_rank": "encoder"},
        None,
        "Effective rank: the outputs really use {effective_rank:.0f} directions (the encoder's "
        "{encoder_effective_rank:.0f}). 1 is collapse.",
    ),
    Chart(
        "Score on held-out data",
        {"held_out_spearman": "Spearman", "held_out_recall_at_1": "found first", "held_out_knn_top1": "kNN"},
        None,
        "The weights of the highest point were kept.",
        from_zero=False,
    ),
    Chart(
        "Temperature",
        {"temperature": "temperature"},
        None,
        "Learned: it ends at {temperature:.3f}. Small is strict about negatives that are nearly right.",
    ),
)


def captioned(chart: Chart, log: Rows) -> str:
    """The caption with the last known values in it."""
    last = {name: value for row in log for name, value in row.items() if isinstance(value, (int, float))}
    try:
        return chart.caption.format_map(last)
    except KeyError:
        return ""  # a value that the log does not hold, such as the guessing of a method that states none


def drawn(log: Rows) -> tuple[str, list[tuple[Chart, str]]]:
    """(scripts for the head of the page, (chart, its place in the body) of each chart that the log can fill).

    Everything is inline: the page asks for nothing from anywhere. Raises ImportError without Bokeh.
    """
    from bokeh.embed import components
    from bokeh.resources import Resources

    made = figures(log)
    if not made:
        return "", []
    script, places = components([figure for _, figure in made])
    return Resources(mode="inline", components=["bokeh"]).render() + script, [
        (chart, place) for (chart, _), place in zip(made, places)
    ]


def figures(log: Rows) -> list[tuple[Chart, Any]]:
    """(chart, its Bokeh figure) of each chart that the log can fill."""
    charts = [chart for chart in CHARTS if any(name in row for row in log for name in chart.lines)]
    return [(chart, _figure(chart, log)) for chart in charts]


def _figure(chart: Chart, log: Rows) -> Any:
    from bokeh.models import HoverTool, NumeralTickFormatter
    from bokeh.plotting import figure

    plot = figure(height=230, sizing_mode="stretch_width", tools="", toolbar_location=None, x_axis_label="step")
    named = dict(chart.lines) | ({chart.dashed[0]: chart.dashed[1]} if chart.dashed else {})
    highest = 0.0
    for (key, name), colour in zip(named.items(), (*(BLUE, ORANGE)[: len(chart.lines)], GREY)):
        steps, values = _points(log, key)
        if not values:
            continue
        highest = max(highest, *values)
        dashed = chart.dashed is not None and key == chart.dashed[0]
        line = plot.line(
            steps, values, color=colour, line_width=2, line_dash="dashed" if dashed else "solid", legend_label=name
        )
        if len(values) == 1:
            plot.scatter(steps, values, color=colour, size=7)
        if not dashed:
            plot.add_tools(HoverTool(renderers=[line], tooltips=[("step", "@x"), (name, "@y{0.000}")], mode="vline"))
    if chart.from_zero and highest > 0:
        plot.y_range.start, plot.y_range.end = 0.0, 1.08 * highest
    if chart.percent:
        plot.yaxis.formatter = NumeralTickFormatter(format="0%")
    _dress(plot)
    return plot


def _points(log: Rows, key: str) -> tuple[list[int], list[float]]:
    """The finite values of one key, thinned; the first and the last stay."""
    found = [
        (row["step"], row[key]) for row in log if isinstance(row.get(key), (int, float)) and math.isfinite(row[key])
    ]
    stride = max(1, math.ceil(len(found) / POINTS))
    kept = found[::-1][::stride][::-1]
    return [step for step, _ in kept], [value for _, value in kept]


def _dress(plot: Any) -> None:
    """Transparent, with grey ink: right on a light and on a dark page."""
    plot.background_fill_alpha = plot.border_fill_alpha = 0
    plot.outline_line_color = None
    plot.min_border_right = 12
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = GREY
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = GREY
        axis.axis_label_text_font_style = "normal"
        axis.ticker.desired_num_ticks = 5
    plot.grid.grid_line_color, plot.grid.grid_line_alpha = GREY, 0.22
    plot.legend.background_fill_alpha, plot.legend.border_line_alpha = 0, 0
    plot.legend.label_text_color, plot.legend.orientation = GREY, "horizontal"
    plot.legend.label_text_font_size, plot.legend.padding, plot.legend.margin = "12px", 0, 0
    plot.add_layout(plot.legend[0], "above")  # beside the lines it would hide them
