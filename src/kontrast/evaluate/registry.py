"""The protocols there are. A new one is a file beside these and a line here; its order is that of tables."""

from __future__ import annotations

from collections.abc import Sequence

from kontrast.errors import Unfit
from kontrast.evaluate.few_label import FEW_LABEL
from kontrast.evaluate.geometry import Geometry
from kontrast.evaluate.kmeans import KMEANS
from kontrast.evaluate.knn import KNN
from kontrast.evaluate.linear import LINEAR
from kontrast.evaluate.protocol import Metric, Protocol, Task
from kontrast.evaluate.retrieval import Retrieval
from kontrast.evaluate.scored_pairs import ScoredPairs
from kontrast.evaluate.view_retrieval import Views
from kontrast.evaluate.zero_shot import ZeroShot

PROTOCOLS: dict[str, Protocol] = {
    "knn": KNN,
    "linear": LINEAR,
    "kmeans": KMEANS,
    "few_label": FEW_LABEL,
    "zero_shot": ZeroShot(),
    "sts": ScoredPairs(),
    "retrieval": Retrieval(),
    "views": Views(),
    "geometry": Geometry(),
}


def metrics() -> dict[str, Metric]:
    """Every metric by its name, in the order of tables."""
    found: dict[str, Metric] = {}
    for protocol in PROTOCOLS.values():
        for metric in protocol.metrics:
            found.setdefault(metric.name, metric)
    return found


def protocol_named(name: str) -> Protocol:
    """The protocol of this name; few-label is few_label. Unfit, with the known ones, where there is none."""
    known = PROTOCOLS.get(name.replace("-", "_"))
    if known is None:
        raise Unfit(f"Protocol {name!r} is not known. Choose from {', '.join(PROTOCOLS)}.")
    return known


def fitting(task: Task, asked: Sequence[str] | None) -> tuple[list[Protocol], list[str]]:
    """The protocols to run, in the order of tables, and what to say about those that do not fit.

    asked: their names; None or none: all that fit. Those that are `always` given come along.
    Raises Unfit for one that was asked for and does not fit.
    """
    wanted = [protocol_named(name) for name in asked or ()]
    for protocol in wanted:
        misfit = protocol.misfit(task) if task.reads in protocol.models else None
        if task.reads not in protocol.models:
            raise Unfit(f"Protocol {protocol.name!r} does not fit: it is for models of {' or '.join(protocol.models)}.")
        if misfit is not None:
            raise Unfit(f"Protocol {protocol.name!r} does not fit: {misfit.why}.")
    chosen, left_out = [], set()
    for protocol in PROTOCOLS.values():
        if task.reads in protocol.models and (not wanted or protocol in wanted or protocol.always):
            misfit = protocol.misfit(task)
            if misfit is None:
                chosen.append(protocol)
            elif misfit.said and not wanted:
                left_out.add(f"left out: {misfit.why}")
    return chosen, sorted(left_out)
