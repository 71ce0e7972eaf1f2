"""What an evaluation says: a table for a terminal of 80 columns, and one sentence for a stranger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from kontrast.evaluate.protocol import Metric
from kontrast.evaluate.registry import PROTOCOLS, metrics

COLUMNS = {"learned": "learned", "before": "before", "random_weights": "random", "raw_input": "raw"}
FIRST = "first_"  # and a number: so many of the learned columns, alone
BESIDE = {
    "before": "with the weights it began with",
    "random_weights": "with random weights",
    "raw_input": "from the raw input",
}


def columns(result: Mapping[str, Any]) -> list[str]:
    """The columns worth showing: "before" only where it was not the random weights that the run began with."""
    narrower = [name for name in result if name.startswith(FIRST)]
    known = [name for name in COLUMNS if name in result and not (name == "before" and began_at_random(result))]
    return [*known[:1], *narrower, *known[1:]]


def heading(column: str) -> str:
    """A column's name in a table; "1-64" for the first 64 columns of the vectors."""
    return COLUMNS.get(column, column.replace(FIRST, "1-"))


class Row(NamedTuple):
    """One test: its key, how it reads, the value of each column worth showing, the learned one's range, guessing."""

    name: str
    metric: Metric
    values: dict[str, float | None]
    around: list[float] | None
    chance: float | None


def rows(result: Mapping[str, Any]) -> list[Row]:
    """The table as data."""
    about, wanted = result["about"], columns(result)
    around = about["range"].get("learned", {})
    return [
        Row(name, metric, {c: result[c].get(name) for c in wanted}, around.get(name), about["chance"].get(name))
        for name, metric in metrics().items()
        if any(name in result[column] for column in wanted)
    ]


def table(result: Mapping[str, Any]) -> list[str]:
    """The evaluation as lines of at most 80 columns; fractions times 100."""
    wanted = columns(result)
    head = f"{'%':<24}"
    for column in wanted:
        head += f"{heading(column):>8}" + (f"{'95 % range':>12}" if column == "learned" else "")
    lines = [f"{head}{'guessing':>9}"]
    for _, metric, values, around, chance in rows(result):
        line = f"{metric.title:<24}"
        for column in wanted:
            line += f"{metric.shown(values[column]):>8}"
            if column == "learned":
                line += f"{'-'.join(map(metric.shown, around)) if around else '':>12}"
        lines.append((line + f"{metric.shown(chance):>9}").rstrip())
    return lines + [f"  {line}" for line in conditions(result)]


def conditions(result: Mapping[str, Any]) -> list[str]:
    """How it was measured, in a few lines: network, data, bank, k, T, and what was left out."""
    about = result["about"]
    lines = [f"{about['network']}, {about['layer']}, fp32"] if {"network", "layer"} <= set(about) else []
    lines += [f"tested on {about['data']}, {about['items']:,} items"]
    if "bank" in about:
        lines.append(f"bank: {about['bank']}, {about['bank_items']:,} items; {about['classes']} classes")
    lines += [line for protocol in PROTOCOLS.values() if (line := protocol.conditions(about))]
    if "halfway" in about:
        told = ", ".join(
            f"{m.title} {m.shown(about['halfway'][n])}"
            for n, m in metrics().items()
            if n in about["halfway"] and m.decisive
        )
        lines.append(f"halfway between the weights it began with and these (mixed with share 0.5): {told}")
    if "before" in result and began_at_random(result):
        lines.append("the run began with these random weights")
    return lines + list(about.get("notes", []))


HEADS = {
    "worse than before": ("It got worse than where it began", "bad"),
    "worse than random": ("It knows less than random weights do", "bad"),
    "as random": ("It learned nothing that these tests can see", "unsure"),
    "worse than raw": ("It learned something, but the raw input still does better", "unsure"),
    "as raw": ("It learned something, but the raw input does as well", "unsure"),
    "learned": ("It learned something", "good"),
}


def sentence(result: Mapping[str, Any]) -> str:
    """What was learned, beside random weights, raw input and the weights it began with, in plain words.

    Each test says better, worse or neither (a difference counts when it is larger than the 95 % ranges of both values
    let expect); the majority of the tests decides, and the first of them is told in full.
    """
    about = result["about"]
    metric = next((one for one in metrics().values() if one.told and one.name in result["learned"]), None)
    if metric is None:
        return "No test that fits this data can say what was learned."

    def value(column: Mapping[str, float]) -> str:
        return f"{metric.shown(column[metric.name])} {metric.unit}".rstrip()

    asked = metric.told.format(value=value(result["learned"]), count=about.get("view_items", about["items"]))
    others = {name: result[name] for name in BESIDE if metric.name in result.get(name, {})}
    if began_at_random(result):
        others.pop("before", None)
    beside = [f"{value(found)} {BESIDE[name]}" for name, found in others.items()]
    if metric.name in about["chance"]:
        beside.append(f"{value(about['chance'])} by guessing")
    signs = _signs(result, "random_weights")
    counted = f" Better than random weights in {signs.count(1)} of {len(signs)} tests." if len(signs) > 1 else ""
    return f"{HEADS[_standing(result)][0]}: {asked} ({', '.join(beside)}).{counted}"


def mood(result: Mapping[str, Any]) -> str:
    """`good`, `unsure` or `bad`: the colour of the sentence."""
    return HEADS[_standing(result)][1]


def _standing(result: Mapping[str, Any]) -> str:
    if not any(metric in result["learned"] for metric in _decisive()):
        return "as random"
    if "before" in result and not began_at_random(result) and sum(_signs(result, "before")) < 0:
        return "worse than before"
    for column, short in (("random_weights", "random"), ("raw_input", "raw")):
        if signs := _signs(result, column):
            if sum(signs) < 0:
                return f"worse than {short}"
            if sum(signs) == 0:
                return f"as {short}"
    return "learned"


def began_at_random(result: Mapping[str, Any]) -> bool:
    """Whether the weights it began with are told as random ones: because they are the same column."""
    return "before" in result and bool(result["before"] == result.get("random_weights"))


def _decisive() -> list[str]:
    return [metric.name for metric in metrics().values() if metric.decisive]


def _signs(result: Mapping[str, Any], column: str) -> list[int]:
    """For each decisive test: 1 clearly better than this column, -1 clearly worse, 0 neither."""
    signs = []
    for metric in _decisive():
        if metric in result["learned"] and metric in result.get(column, {}):
            margin = math.hypot(_half(result, "learned", metric), _half(result, column, metric))
            gain = result["learned"][metric] - result[column][metric]
            signs.append(int(gain > margin) - int(gain < -margin))
    return signs


def _half(result: Mapping[str, Any], column: str, metric: str) -> float:
    low, high = result["about"]["range"].get(column, {}).get(metric, (0.0, 0.0))
    return float(high - low) / 2
