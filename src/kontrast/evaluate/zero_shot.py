"""Zero-shot: a classifier made of words. Each class is the mean direction of its name in several sentences.

    w_c = unit(mean over templates t of unit(text(t with c)))        a picture belongs to the class of largest cosine

Radford et al. 2021 (CLIP), section 3.1.4; the two lists of sentences are OpenAI's (MIT licence). Chance is 1 / C.

Shapes: N pictures, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast.errors import Unfit
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.templates import EIGHTY, SEVEN

EmbedText: TypeAlias = Callable[[Sequence[str]], Tensor]  # sentences to vectors (B, D)


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


def classifier(classes: Sequence[str], sentences: Sequence[str], embed_text: EmbedText) -> Tensor:
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
    embed_text: EmbedText,
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
