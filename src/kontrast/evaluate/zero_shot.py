"""Zero-shot: a classifier made of words. Each class is the mean direction of its name in several sentences.

    w_c = unit(mean over templates t of unit(text(t with c)))        a picture belongs to the class of largest cosine

Radford et al. 2021 (CLIP), section 3.1.4; the two lists of sentences are OpenAI's (MIT licence). Chance is 1 / C.

Shapes: N pictures, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate.embedders import Embed, Features
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.protocol import Measure, Metric, Misfit, Protocol, Task
from kontrast.evaluate.templates import EIGHTY, SEVEN
from kontrast.keyed import Ids


def templates(which: str | Path) -> tuple[str, ...]:
    """Sentences with "{}" for the class: "80" or "7" (OpenAI's), or a text file with one a line."""
    if which == "7":
        return SEVEN
    if which == "80":
        return EIGHTY
    text = _text(Path(which), "templates", '"80", "7" or ')
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    for line in lines:
        if line.count("{}") != 1:
            raise Unfit(f'templates: each line needs "{{}}" once, in the place of the class; {line!r} has it not.')
    if not lines:
        raise Unfit(f"templates: {which} is empty.")
    return lines


def class_names(file: Path) -> tuple[str, ...]:
    """Class names from a text file, one a line, in the order of the label numbers."""
    names = tuple(line.strip() for line in _text(file, "classes", "").splitlines() if line.strip())
    if len(names) < 2:
        raise Unfit(f"classes: {file} names {len(names)} classes; at least 2 are needed.")
    return names


def _text(file: Path, what: str, others: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Unfit(f"{what}: {others}a UTF-8 text file with one a line; {file} cannot be read ({problem}).") from None


def classifier(classes: Sequence[str], sentences: Sequence[str], embed_text: Embed) -> Tensor:
    """The classes' directions, (C, D), unit rows, fp32."""
    filled = [sentence.replace("{}", name) for name in classes for sentence in sentences]
    text_CTD = normalize(embed_text(filled).float(), dim=-1).unflatten(0, (len(classes), len(sentences)))
    return normalize(text_CTD.mean(dim=1), dim=-1)


def predict(image_ND: Vectors, class_CD: Tensor) -> Tensor:
    """The class of largest cosine, int64 (N,)."""
    return (normalize(torch.as_tensor(image_ND).float(), dim=-1) @ class_CD.T).argmax(dim=1)


def zero_shot(
    image_ND: Vectors,
    label_N: Vectors,
    classes: Sequence[str],
    sentences: Sequence[str],
    embed_text: Embed,
) -> Mapping[str, float]:
    """`zero_shot_top1`: the share of labelled pictures (label >= 0) put into their class. Chance 1 / C.

    label_N  place of each picture's class in `classes`; -1 unknown, left out
    Raises Unfit when no picture has a label, or a label has no class name.
    """
    label_N = torch.as_tensor(np.asarray(label_N))
    known = label_N >= 0
    if not known.any():
        raise Unfit("zero-shot needs labelled pictures; name the labels with --labels.")
    if int(label_N.max()) >= len(classes):
        raise Unfit(f"zero-shot: label {int(label_N.max())} has no name among the {len(classes)} classes.")
    guess_N = predict(torch.as_tensor(image_ND)[known], classifier(classes, sentences, embed_text))
    return {"zero_shot_top1": float((guess_N.cpu() == label_N[known]).double().mean())}


class ZeroShot(Protocol):
    """Two towers on labelled pictures that they have no labels of."""

    name = "zero_shot"
    metrics = (
        Metric(
            "zero_shot_top1",
            "zero-shot top-1",
            "Classes are named in words; no labelled item is seen.",
            told="the class names alone name the right class of {value}",
            decisive=True,
        ),
    )
    models = ("pairs",)

    def misfit(self, task: Task) -> Misfit | None:
        if named(task.source, task.classes)[0] is not None:
            return None
        return Misfit(f"{task.source.name} has no labels: --labels folder or COLUMN, --classes COLUMN", said=False)

    def facts(self, task: Task) -> dict[str, Any]:
        _, names = named(task.source, task.classes)
        return {"classes": len(names), "labelled": len(task.source.ids), "templates": len(task.sentences)}

    def conditions(self, about: Mapping[str, Any]) -> str:
        if "labelled" not in about:
            return ""
        return f"zero-shot: {about['labelled']:,} pictures, {about['classes']} classes, {about['templates']} templates"

    def chance(self, task: Task) -> dict[str, float]:
        return {"zero_shot_top1": 1 / len(named(task.source, task.classes)[1])}

    def measure(self, features: Features, task: Task) -> Iterator[Measure]:
        source, (label_N, names) = task.source, named(task.source, task.classes)
        assert label_N is not None
        image_NH = features(source, source.ids)
        found = zero_shot(image_NH, label_N[source.ids], names, task.sentences, features.reader)["zero_shot_top1"]
        yield Measure("zero_shot_top1", found, wilson(found, len(source.ids)))


def named(source: Source, classes: Sequence[str] | None) -> tuple[Ids | None, list[str]]:
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
