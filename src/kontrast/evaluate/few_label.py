"""How far a handful of labels goes: nearest class mean, over many draws of the labelled few.

Features are centred on the bank's mean and given unit length; a class is the mean of its labelled features; the highest
cosine wins. This is SimpleShot's CL2N classifier (Wang et al. 2019, arXiv 1911.04623): nothing is trained, so with one
label a class it is simply the nearest labelled picture.

Shapes: K rows of the bank, Q queries, H feature width, C classes, S labels a class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from kontrast import progress
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.labelled import Draw, Labelled, any_class
from kontrast.evaluate.protocol import Measure, Metric
from kontrast.evaluate.splits import ranked_in_class

DRAWS = 100  # of the labelled few


@dataclass(frozen=True)
class Spread:
    """A mean over draws, and the range that holds the middle 95 % of them."""

    mean: float
    low: float
    high: float


def few_label(
    bank_KH: Vectors,
    label_K: Vectors,
    query_QH: Vectors,
    answer_Q: Vectors,
    *,
    shots: tuple[int, ...] = (1, 5, 10),
    draws: int = DRAWS,
    seed: int = 0,
    ids_K: npt.NDArray[np.int64] | None = None,
) -> dict[int, Spread]:
    """Accuracy with S labels a class, for each S in `shots` that every class can give. Chance is 1/C if balanced.

    Which rows are labelled is keyed by (seed, draw, id), and draws are nested: the 5 hold the 1. `ids_K` names the rows
    of the bank, so that their order does not matter; by default their number. Queries of a class that the bank lacks
    count as errors.
    """
    bank_KH, query_QH = torch.as_tensor(bank_KH).float(), torch.as_tensor(query_QH).float()
    label_K, answer_Q = torch.as_tensor(label_K).cpu().long(), torch.as_tensor(answer_Q).cpu().long()
    mean_H = bank_KH.mean(dim=0)
    bank_KH, query_QH = normalize(bank_KH - mean_H, dim=1), normalize(query_QH - mean_H, dim=1)
    classes_C, class_K = label_K.unique(return_inverse=True)
    fewest = int(class_K.bincount().min())
    accuracies: dict[int, list[float]] = {shot: [] for shot in shots if shot <= fewest}
    for draw in progress.passing(range(draws), "few labels"):
        rank_K, _ = ranked_in_class(class_K, "few labels", seed, draw, ids=ids_K)
        for shot, found in accuracies.items():
            chosen = torch.nonzero(rank_K < shot).squeeze(1)
            mean_CH = torch.zeros(len(classes_C), bank_KH.shape[1]).index_add_(
                0, class_K[chosen], bank_KH[chosen.to(bank_KH.device)].cpu()
            )
            guess_Q = (query_QH @ normalize(mean_CH, dim=1).to(query_QH.device).T).argmax(dim=1).cpu()
            found.append((classes_C[guess_Q] == answer_Q).double().mean().item())
    return {shot: _spread(found) for shot, found in accuracies.items()}


def _spread(found: list[float]) -> Spread:
    low, high = np.quantile(found, [0.025, 0.975])
    return Spread(float(np.mean(found)), float(low), float(high))


def _few(draw: Draw) -> Iterator[Measure]:
    found = few_label(
        draw.bank_KH, draw.label_K, draw.test_MH, draw.answer_M, draws=DRAWS, seed=draw.seed, ids_K=draw.ids_K
    )
    for shots, seen in found.items():
        yield Measure(f"few_label_{shots}", seen.mean, (seen.low, seen.high))


FEW_LABEL = Labelled(
    "few_label",
    (
        Metric("few_label_1", "1 label a class", "Only one labelled example of each class is known.", decisive=True),
        Metric("few_label_5", "5 labels a class", "Five labelled examples of each class are known."),
        Metric(
            "few_label_10",
            "10 labels a class",
            "Ten labelled examples of each class are known.",
            told="ten labels a class name the right class of {value}",
            decisive=True,
        ),
    ),
    _few,
    any_class,
    told="few labels: {few_label_draws} draws",
    fixed={"few_label_draws": DRAWS},
)
