"""What an evaluation says: a table for a terminal of 80 columns, and one sentence for a stranger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

COLUMNS = {"learned": "learned", "before": "before", "random_weights": "random", "raw_input": "raw"}
METRICS = {
    "knn_top1": "nearest neighbours (kNN)",
    "linear_top1": "linear probe",
    "kmeans_accuracy": "k-means clusters",
    "nmi": "k-means NMI",
    "few_label_1": "1 label a class",
    "few_label_5": "5 labels a class",
    "few_label_10": "10 labels a class",
    "zero_shot_top1": "zero-shot",
    "pair_auc": "similar pair nearer",
    "spearman": "Spearman's rank corr.",
    "recall_at_1": "partner found (R@1)",
    "recall_at_5": "among first 5 (R@5)",
    "recall_at_10": "among first 10 (R@10)",
    "median_rank": "median rank",
    "alignment": "alignment",
    "uniformity": "uniformity",
    "effective_rank": "effective rank",
}
PLAIN = {"nmi": 2, "alignment": 2, "uniformity": 2, "effective_rank": 1, "median_rank": 0}  # decimals; the rest is in %
QUESTIONS = {  # what decides whether something was learned, in this order
    "knn_top1": "the nearest neighbours name the right class of {value}",
    "linear_top1": "a linear classifier names the right class of {value}",
    "zero_shot_top1": "the class names alone name the right class of {value}",
    "kmeans_accuracy": "clusters found without labels match the classes for {value}",
    "few_label_10": "ten labels a class name the right class of {value}",
    "pair_auc": "of a similar and a dissimilar pair the similar one is nearer in {value} of cases",
    "spearman": "similarities agree with human judgement at {value} rank correlation",
    "recall_at_1": "{value} of the items find their own partner first among {count:,}",
}

BESIDE = {
    "before": "with the weights it began with",
    "random_weights": "with random weights",
    "raw_input": "from the raw input",
}


def shown(metric: str, value: float | None) -> str:
    """A value as people read it: fractions times 100."""
    if value is None:
        return ""
    return f"{value:.{PLAIN[metric]}f}" if metric in PLAIN else f"{100 * value:.1f}"


def columns(result: Mapping[str, Any]) -> list[str]:
    """The columns worth showing: "before" only where it was not the random weights that the run began with."""
    return [name for name in COLUMNS if name in result and not (name == "before" and began_at_random(result))]


class Row(NamedTuple):
    """One test: its name, the value of each column worth showing, the 95 % range of the learned one, guessing."""

    metric: str
    name: str
    values: dict[str, float | None]
    around: list[float] | None
    chance: float | None


def rows(result: Mapping[str, Any]) -> list[Row]:
    """The table as data."""
    about, wanted = result["about"], columns(result)
    around = about["range"].get("learned", {})
    return [
        Row(metric, name, {c: result[c].get(metric) for c in wanted}, around.get(metric), about["chance"].get(metric))
        for metric, name in METRICS.items()
        if any(metric in result[column] for column in wanted)
    ]


def table(result: Mapping[str, Any]) -> list[str]:
    """The evaluation as lines of at most 80 columns; fractions times 100."""
    wanted = columns(result)
    head = f"{'%':<24}"
    for column in wanted:
        head += f"{COLUMNS[column]:>8}" + (f"{'95 % range':>12}" if column == "learned" else "")
    lines = [f"{head}{'guessing':>9}"]
    for metric, name, values, around, chance in rows(result):
        line = f"{name:<24}"
        for column in wanted:
            line += f"{shown(metric, values[column]):>8}"
            if column == "learned":
                line += f"{'-'.join(shown(metric, end) for end in around) if around else '':>12}"
        lines.append((line + f"{shown(metric, chance):>9}").rstrip())
    return lines + [f"  {line}" for line in conditions(result)]


def conditions(result: Mapping[str, Any]) -> list[str]:
    """How it was measured, in a few lines: network, data, bank, k, T, and what was left out."""
    about = result["about"]
    lines = [f"{about['network']}, {about['layer']}, fp32"] if {"network", "layer"} <= set(about) else []
    lines += [f"tested on {about['data']}, {about['items']:,} items"]
    if "bank" in about:
        lines.append(f"bank: {about['bank']}, {about['bank_items']:,} items; {about['classes']} classes")
        lines.append(f"kNN: k {about['k']}, T {about['temperature']}; few labels: {about['few_label_draws']} draws")
    if "views" in about:
        lines.append(f"recall: the item's other fresh view ({about['views']}) among {about['view_items']:,}")
    if "partner" in about:
        lines.append(f"recall: {about['partner']} among {about['view_items']:,}")
    if "before" in result and began_at_random(result):
        lines.append("the run began with these random weights")
    return lines + list(about.get("notes", []))


DECISIVE = (
    "knn_top1",
    "linear_top1",
    "kmeans_accuracy",
    "few_label_1",
    "few_label_10",
    "zero_shot_top1",
    "pair_auc",
    "spearman",
    "recall_at_1",
)
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
    about, metric = result["about"], next((name for name in QUESTIONS if name in result["learned"]), None)
    if metric is None:
        return "No test that fits this data can say what was learned."
    unit = "" if metric == "spearman" else " %"
    value = f"{shown(metric, result['learned'][metric])}{unit}"
    asked = QUESTIONS[metric].format(value=value, count=about.get("view_items", about["items"]))
    others = {name: result[name][metric] for name in BESIDE if metric in result.get(name, {})}
    if began_at_random(result):
        others.pop("before", None)
    beside = [f"{shown(metric, found)}{unit} {BESIDE[name]}" for name, found in others.items()]
    if metric in about["chance"]:
        beside.append(f"{shown(metric, about['chance'][metric])}{unit} by guessing")
    signs = _signs(result, "random_weights")
    counted = f" Better than random weights in {signs.count(1)} of {len(signs)} tests." if len(signs) > 1 else ""
    return f"{HEADS[_standing(result)][0]}: {asked} ({', '.join(beside)}).{counted}"


def mood(result: Mapping[str, Any]) -> str:
    """`good`, `unsure` or `bad`: the colour of the sentence."""
    return HEADS[_standing(result)][1]


def _standing(result: Mapping[str, Any]) -> str:
    if not any(metric in result["learned"] for metric in DECISIVE):
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


def _signs(result: Mapping[str, Any], column: str) -> list[int]:
    """For each decisive test: 1 clearly better than this column, -1 clearly worse, 0 neither."""
    signs = []
    for metric in DECISIVE:
        if metric in result["learned"] and metric in result.get(column, {}):
            margin = math.hypot(_half(result, "learned", metric), _half(result, column, metric))
            gain = result["learned"][metric] - result[column][metric]
            signs.append(int(gain > margin) - int(gain < -margin))
    return signs


def _half(result: Mapping[str, Any], column: str, metric: str) -> float:
    low, high = result["about"]["range"].get(column, {}).get(metric, (0.0, 0.0))
    return float(high - low) / 2
