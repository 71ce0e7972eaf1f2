"""Two towers tested: retrieval both ways, zero-shot where there are labels, and what was learned or lost, in words.

Shapes: N pictures, M captions, E embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import zero_shot
from kontrast.evaluate.embedders import Column, TwoTowers
from kontrast.evaluate.protocol import Task
from kontrast.evaluate.registry import fitting, metrics
from kontrast.evaluate.retrieval import ITEMS
from kontrast.evaluate.suite import measured
from kontrast.keyed import Ids

FELL = 0.02  # a fall of zero-shot or recall by this share is said: more than two pictures in a hundred


def evaluate(
    columns: Mapping[str, TwoTowers],
    source: Source,
    ids: Ids,
    *,
    classes: Sequence[str] | None = None,
    sentences: Sequence[str] = zero_shot.templates("7"),
    protocols: Sequence[str] | None = None,
) -> dict[str, Any]:
    """`suite.measured`, of models of pictures and sentences.

    columns    name -> model: "learned", "before", "random_weights"
    ids        the pictures to test on. Retrieval looks among the first 1,000 of them, zero-shot at all
    classes    their names, in any order if the labels are names, else in the order of the numbers; None: the source's
    sentences  the templates that make a class's direction
    """
    tested = source.part(ids)
    few = tested.ids[:ITEMS]
    task = Task("pairs", tested, tested, cloud=few, classes=classes, sentences=sentences)
    if not protocols and all(protocol.always for protocol in fitting(task, None)[0]):
        raise Unfit(f"{source.name} has neither captions nor labels, so two towers cannot be tested on it.")
    named = {name: Column(model.embed_source, model.embed_text) for name, model in columns.items()}
    return measured(named, task, protocols=protocols, about={"items": len(few)})


def sentence(result: Mapping[str, Any]) -> str:
    """What was learned, and what was lost of what the weights knew before."""
    learned, about = result["learned"], result["about"]
    told = (
        ""
        if "recall_at_1" in learned
        else (
            f"The class names alone name the right class of {learned['zero_shot_top1']:.1%} "
            f"(random weights {result['random_weights']['zero_shot_top1']:.1%}, "
            f"guessing {about['chance']['zero_shot_top1']:.1%})."
        )
    )
    told = told or (
        f"A caption and its picture find each other first in {learned['recall_at_1']:.1%} of {about['items']:,} "
        f"(random weights {result['random_weights']['recall_at_1']:.1%}, "
        f"guessing {about['chance']['recall_at_1']:.1%})."
    )
    fallen = [
        f"{metric.title} fell from {result['before'][name]:.1%} to {learned[name]:.1%}"
        for name, metric in metrics().items()
        if "before" in result
        and name in learned
        and name.startswith(("zero_shot", "recall"))
        and learned[name] < result["before"][name] - FELL
    ]
    if fallen:
        told += (
            f" WARNING: it lost some of what it knew: {', '.join(fallen)}. Take a smaller --lr, fewer epochs, or mix "
            "with the weights it began with: kontrast.mixed(START, END, 0.5).save(FOLDER)."
        )
    return told
