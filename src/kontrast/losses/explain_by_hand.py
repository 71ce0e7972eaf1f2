"""Losses that are no softmax over a table, worked out on a small batch with plain loops: the lines of `explain`.

Each ends with the mean (or sum) worked out here and the library's value beside it.

Shapes: V views, A views that give codes, B samples, N rows, D width, K prototypes.
"""

from __future__ import annotations

import math

from torch import Tensor

from kontrast.losses import alignment_uniformity, clusters, image_text, redundancy, regression, supervised
from kontrast.losses import dclw as weighted
from kontrast.similarity import Similarity, pairwise, table

OF_TWO = ("siglip", "margin", "alignment", "byol", "barlow_twins", "swapped_prediction")


def _beside(name: str, what: str, by_hand: float, library: Tensor) -> str:
    return f"{name}: {what} {by_hand:.4f}; the library: {float(library):.4f}"


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def byol(prediction_BD: Tensor, target_BD: Tensor) -> str:
    """A line a row."""
    each = [2 - 2 * cosine for cosine in pairwise(prediction_BD, target_BD).tolist()]
    lines = [f"{b:4d}  cos {1 - loss / 2:7.4f}   2 - 2 cos {loss:7.4f}" for b, loss in enumerate(each)]
    library = regression.byol(prediction_BD, target_BD)
    return "\n".join([*lines, _beside("byol", "orthogonal would cost 2; mean", _mean(each), library)])


def alignment(first_BD: Tensor, second_BD: Tensor, exponent: float) -> str:
    """A line a pair."""
    apart = [math.sqrt(max(0.0, 2 - 2 * cosine)) for cosine in pairwise(first_BD, second_BD).tolist()]
    lines = [f"{b:4d}  apart {d:7.4f}   ^ {exponent:g} = {d**exponent:7.4f}" for b, d in enumerate(apart)]
    library = alignment_uniformity.alignment(first_BD, second_BD, exponent=exponent)
    return "\n".join([*lines, _beside("alignment", "mean", _mean([d**exponent for d in apart]), library)])


def uniformity(row_ND: Tensor, t: float) -> str:
    """The squared distances of all pairs."""
    cosine_NN = table(row_ND, row_ND, "cosine").tolist()
    square_NN = [[2 - 2 * cosine for cosine in row] for row in cosine_NN]
    lines = [f"{i:4d}  " + "  ".join(f"{square:6.3f}" for square in row[:i]) for i, row in enumerate(square_NN)]
    below = [math.exp(-t * square) for i, row in enumerate(square_NN) for square in row[:i]]
    line = _beside(
        "uniformity",
        f"ln of the mean of exp(-{t:g} d^2) is",
        math.log(_mean(below)),
        alignment_uniformity.uniformity(row_ND, t=t),
    )
    return "\n".join(["squared distances of the pairs, each once", *lines, line])


def siglip(image_BD: Tensor, text_BD: Tensor, temperature: float, bias: float, ids_B: Tensor | None) -> str:
    """A line an image: each text's logit, `+` where they belong together, `x` where the id is the same."""
    ids = list(range(len(image_BD))) if ids_B is None else ids_B.tolist()
    lines, each = [], []
    for i, row in enumerate((table(image_BD, text_BD, "cosine") / temperature + bias).tolist()):
        marks = ["+" if i == j else "x" if ids[i] == ids[j] else "-" for j in range(len(row))]
        costs = [0.0 if m == "x" else math.log1p(math.exp(-s if m == "+" else s)) for s, m in zip(row, marks)]
        each.append(sum(costs))
        cells = "  ".join(f"{s:6.2f}{mark}" for s, mark in zip(row, marks))
        lines.append(f"{i:4d}  {cells}   together {costs[i]:7.4f}, all {each[-1]:7.4f}")
    library = image_text.siglip(image_BD, text_BD, temperature=temperature, bias=bias, ids_B=ids_B)
    return "\n".join([*lines, _beside("siglip", "mean", _mean(each), library)])


def margin(first_BD: Tensor, second_BD: Tensor, similar_B: Tensor, wide: float, similarity: Similarity) -> str:
    """A line a pair."""
    likeness = pairwise(first_BD, second_BD, similarity).tolist()
    lines, each = [], []
    for b, (like, similar) in enumerate(zip(likeness, similar_B.tolist())):
        apart = -like if similarity == "euclidean" else 1 - like
        each.append((apart if similar else max(0.0, wide - apart)) ** 2 / 2)
        what = "similar     d^2 / 2" if similar else f"dissimilar  max(0, {wide:g} - d)^2 / 2"
        lines.append(f"{b:4d}  d {apart:7.4f}   {what} = {each[-1]:7.4f}")
    library = supervised.margin(first_BD, second_BD, similar_B, margin=wide, similarity=similarity)
    return "\n".join([*lines, _beside("margin", "mean", _mean(each), library)])


def dclw(views_VBD: Tensor, temperature: float, sigma: float, ids_B: Tensor | None) -> str:
    """A line a row: its weight, its weighted positive and ln of its negatives' sum."""
    B = views_VBD.shape[1]
    ids = list(range(B)) if ids_B is None else ids_B.tolist()
    row_ND = views_VBD.flatten(0, 1)
    logits = (table(row_ND, row_ND, "cosine") / temperature).tolist()
    cosines = pairwise(views_VBD[0], views_VBD[1]).tolist()
    total = sum(math.exp(cosine / sigma) for cosine in cosines)
    lines, each = [], []
    for i, row in enumerate(logits):
        b = i % B
        weight, positive = 2 - B * math.exp(cosines[b] / sigma) / total, cosines[b] / temperature
        negatives = [s for j, s in enumerate(row) if ids[j % B] != ids[b]]
        top = max(negatives)
        others = top + math.log(sum(math.exp(s - top) for s in negatives))
        each.append(others - weight * positive)
        lines.append(
            f"{i:4d}  ln {len(negatives)} negatives {others:7.4f} - weight {weight:7.4f} x positive "
            f"{positive:7.4f} = {each[-1]:7.4f}"
        )
    library = weighted.dclw(views_VBD, temperature=temperature, sigma=sigma, ids_B=ids_B)
    return "\n".join([*lines, _beside("dclw", "mean", _mean(each), library)])


def barlow_twins(first_BD: Tensor, second_BD: Tensor, off_diagonal_weight: float) -> str:
    """The correlation matrix."""
    cross_DD = (redundancy.standardised(first_BD).T @ redundancy.standardised(second_BD) / len(first_BD)).tolist()
    lines = ["  ".join(f"{entry:6.3f}" for entry in row) for row in cross_DD]
    on = sum((row[i] - 1) ** 2 for i, row in enumerate(cross_DD))
    off = sum(entry**2 for i, row in enumerate(cross_DD) for j, entry in enumerate(row) if i != j)
    line = f"on the diagonal {on:.4f} + {off_diagonal_weight} x off the diagonal {off:.4f} ="
    library = redundancy.barlow_twins(first_BD, second_BD, off_diagonal_weight=off_diagonal_weight)
    last = _beside("barlow_twins", line, on + off_diagonal_weight * off, library)
    return "\n".join(["correlation of the two views' dimensions", *lines, last])


def swapped_prediction(scores_VBK: Tensor, codes_ABK: Tensor, temperature: float) -> str:
    """A line for each view that predicts another's code: the cross-entropy of each sample."""
    lines, each = [], []
    for a, code_BK in enumerate(codes_ABK):
        for v, score_BK in enumerate(scores_VBK):
            if v != a:
                cross_B = -(code_BK * (score_BK / temperature).log_softmax(-1)).sum(-1)
                each += cross_B.tolist()
                costs = "  ".join(f"{x:.4f}" for x in cross_B.tolist())
                lines.append(f"view {v} predicts the code of view {a}: {costs}")
    library = clusters.swapped_prediction(scores_VBK, codes_ABK, temperature=temperature)
    guess = f"guessing costs {math.log(scores_VBK.shape[-1]):.4f}; mean"
    return "\n".join([*lines, _beside("swapped_prediction", guess, _mean(each), library)])
