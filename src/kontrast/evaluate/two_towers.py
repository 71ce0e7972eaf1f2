"""Two towers tested: retrieval both ways, zero-shot where there are labels, and what was learned or lost, in words.

Shapes: N pictures, M captions, E embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import geometry, zero_shot
from kontrast.evaluate.embedders import TwoTowers
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.retrieval import pair_retrieval
from kontrast.keyed import Ids

ITEMS = 1000  # pictures at most among which captions are looked for; more make it harder, so the number is said
FELL = 0.02  # a fall of zero-shot or recall by this share is said: more than two pictures in a hundred
NAMES = {
    "zero_shot_top1": "zero-shot top-1", "recall_at_1": "recall at 1", "recall_at_5": "recall at 5",
    "recall_at_10": "recall at 10", "median_rank": "median rank",
}  # fmt: skip


def evaluate(
    columns: Mapping[str, TwoTowers],
    source: Source,
    ids: Ids,
    *,
    classes: Sequence[str] | None = None,
    sentences: Sequence[str] = zero_shot.templates("7"),
    protocols: Sequence[str] | None = None,
) -> dict[str, Any]:
    """`{column: {metric: value}, "about": {...}}`: retrieval both ways, zero-shot where there are labels, alignment.

    columns    name -> model: "learned", "before", "random_weights"
    ids        the pictures to test on; of more than 1,000 the first
    classes    their names, in any order if the labels are names, else in the order of the numbers; None: the source's
    protocols  of "retrieval", "zero_shot"; None: what fits the source. Retrieval looks among 1,000 pictures at most,
               zero-shot at all of them
    sentences  the templates that make a class's direction
    """
    labels_N, names = _classes(source, classes)
    fits = {"retrieval": "text" in source.columns, "zero_shot": labels_N is not None}
    for name in protocols or ():
        if not fits.get(name):
            what = "captions" if name == "retrieval" else "labels: --labels folder or COLUMN, --classes COLUMN"
            raise Unfit(f"--{name.replace('_', '-')}: {source.name} has no {what}.")
    chosen = [name for name, fit in fits.items() if fit and (protocols is None or name in protocols)]
    if not chosen:
        raise Unfit(f"{source.name} has neither captions nor labels, so two towers cannot be tested on it.")
    labelled, ids = ids, ids[:ITEMS]
    several = source.captions(ids) if "retrieval" in chosen else []
    captions = [caption for group in several for caption in group]
    owner_M = np.repeat(np.arange(len(several)), [len(group) for group in several])
    result: dict[str, Any] = {}
    for column, model in columns.items():
        found: dict[str, float] = {}
        image_ND = model.embed_source(source, labelled if "zero_shot" in chosen else ids)
        if "zero_shot" in chosen and labels_N is not None:
            found |= zero_shot.zero_shot(image_ND, labels_N[labelled], names, sentences, model.embed_text)
            image_ND = image_ND[: len(ids)]
        if "retrieval" in chosen:
            text_MD = model.embed_text(captions)
            found |= pair_retrieval(image_ND, text_MD, owner_M)
            found["alignment"] = geometry.alignment(image_ND[torch.from_numpy(owner_M)], text_MD)
        found["uniformity"] = geometry.uniformity(image_ND)
        found["effective_rank"] = geometry.effective_rank(image_ND)
        result[column] = found
    chance: dict[str, float] = {}
    if "retrieval" in chosen:
        chance |= {f"recall_at_{k}": min(1.0, k / len(ids)) for k in (1, 5, 10)} | {"median_rank": (len(ids) + 1) / 2}
    if "zero_shot" in chosen:
        chance["zero_shot_top1"] = 1 / len(names)
    ranges = {
        column: {
            metric: wilson(value, len(labelled if metric.startswith("zero") else ids))
            for metric, value in found.items()
            if metric.startswith(("recall", "zero"))
        }
        for column, found in result.items()
    }
    about = {
        "data": source.name, "items": len(ids), "captions": len(captions), "chance": chance, "range": ranges,
    }  # fmt: skip
    if "retrieval" in chosen:
        about |= {"partner": "a caption's picture and a picture's caption, the mean of both,", "view_items": len(ids)}
    if "zero_shot" in chosen:
        about |= {"classes": len(names), "labelled": len(labelled), "templates": len(sentences)}
    return result | {"about": about}


def _classes(source: Source, classes: Sequence[str] | None) -> tuple[Ids | None, list[str]]:
    """(by id, each picture's place among the names, -1 unknown; the names), or None where nothing is labelled."""
    if source.labels is None or not (source.labels[source.ids] >= 0).any():
        return None, []
    own = [str(name) for name in source.classes] or [str(n) for n in range(int(source.labels.max()) + 1)]
    if classes is None:
        return source.labels, own
    if set(own) <= set(classes):
        place = np.array([*(list(classes).index(name) for name in own), -1], dtype=np.int64)
    elif all(name.isdigit() for name in own) and max(map(int, own)) < len(classes):
        place = np.array([*map(int, own), -1], dtype=np.int64)
    else:
        missing = next(name for name in own if name not in classes)
        raise Unfit(
            f"--classes: {source.name} has the class {missing!r}, which is not among {', '.join(classes)[:200]}."
        )
    return place[source.labels], list(classes)


def table(result: Mapping[str, Any]) -> list[str]:
    """The evaluation as lines; fractions times 100, the median rank from 1."""
    about, columns = result["about"], [name for name in result if name != "about"]
    lines = [f"{'%':<20}" + "".join(f"{name.replace('_', ' '):>16}" for name in [*columns, "guessing"])]
    for metric, name in NAMES.items():
        if metric in result["learned"]:
            values = [result[column][metric] for column in columns] + [about["chance"][metric]]
            scale = 1 if metric == "median_rank" else 100
            lines.append(f"{name:<20}" + "".join(f"{scale * value:>16.1f}" for value in values))
    if "halfway" in about:
        told = ", ".join(f"{NAMES[n]} {v:.1%}" for n, v in about["halfway"].items() if n in NAMES and v <= 1)
        lines.append(f"halfway between the weights it began with and these (mixed with share 0.5): {told}")
    if "partner" in about:
        lines.append(f"  {about['captions']:,} captions and {about['items']:,} pictures of {about['data']}, both ways")
    if "labelled" in about:
        lines.append(
            f"  zero-shot: {about['labelled']:,} pictures, {about['classes']} classes, {about['templates']} templates"
        )
    return lines


def sentence(result: Mapping[str, Any]) -> str:
    """What was learned, and what was lost of what the weights knew before."""
    learned, about = result["learned"], result["about"]
    told = "" if "recall_at_1" in learned else (
        f"The class names alone name the right class of {learned['zero_shot_top1']:.1%} "
        f"(random weights {result['random_weights']['zero_shot_top1']:.1%}, "
        f"guessing {about['chance']['zero_shot_top1']:.1%})."
    )  # fmt: skip
    told = told or (
        f"A caption and its picture find each other first in {learned['recall_at_1']:.1%} of {about['items']:,} "
        f"(random weights {result['random_weights']['recall_at_1']:.1%}, "
        f"guessing {about['chance']['recall_at_1']:.1%})."
    )
    fallen = [
        f"{name} fell from {result['before'][metric]:.1%} to {learned[metric]:.1%}"
        for metric, name in NAMES.items()
        if "before" in result
        and metric in learned
        and metric != "median_rank"
        and learned[metric] < result["before"][metric] - FELL
    ]
    if fallen:
        told += (
            f" WARNING: it lost some of what it knew: {', '.join(fallen)}. Take a smaller --lr, fewer epochs, or mix "
            "with the weights it began with: kontrast.mixed(START, END, 0.5).save(FOLDER)."
        )
    return told
