"""Are similar pairs nearer than dissimilar ones? Cosines of scored pairs beside what the judges said.

    spearman   rank correlation of cosine and score (`evaluate.sts`)
    pair_auc   of a similar and a dissimilar pair, how often the similar one has the higher cosine; a tie counts half

Shapes: M scored pairs, P similar and N dissimilar ones, H feature width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kontrast.data.scored_pairs import Second
from kontrast.data.source import Source
from kontrast.evaluate.embedders import Features
from kontrast.evaluate.protocol import Measure, Metric, Misfit, Protocol, Task
from kontrast.evaluate.sts import interval, likeness, spearman
from kontrast.similarity import pairwise

CHANCE = {"spearman": 0.0, "pair_auc": 0.5}


def pair_auc(likeness_M: npt.ArrayLike, similar_M: npt.ArrayLike) -> float:
    """The area under the ROC curve, by ranks (Mann-Whitney); nan without both kinds."""
    from scipy.stats import rankdata

    similar = np.asarray(similar_M, dtype=bool)
    many, others = int(similar.sum()), int((~similar).sum())
    if not many or not others:
        return math.nan
    rank_M = rankdata(np.asarray(likeness_M, dtype=np.float64))
    return float((rank_M[similar].sum() - many * (many + 1) / 2) / (many * others))


def auc_interval(area: float, many: int, others: int) -> list[float]:
    """The 95 % interval of the area (Hanley and McNeil 1982)."""
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (many - 1) * (one - area**2) + (others - 1) * (two - area**2)
    half = 1.959964 * math.sqrt(max(0.0, variance) / (many * others))
    return [max(0.0, area - half), min(1.0, area + half)]


def agreement(likeness_M: Tensor, source: Source) -> tuple[dict[str, float], dict[str, list[float]]]:
    """(value, 95 % interval) of each test that fits the scores of `source.ids`, in their order."""
    score_M = np.asarray(source.columns["score"], dtype=np.float64)[source.ids]
    value = spearman(likeness_M, score_M)
    found, around = {"spearman": value}, {"spearman": interval(value, len(score_M))}
    similar_M = np.asarray(source.columns.get("similar", source.columns["score"]), dtype=np.float64)[source.ids]
    if set(similar_M.tolist()) == {0.0, 1.0}:
        found["pair_auc"] = pair_auc(likeness_M.numpy(), similar_M)
        many = int(similar_M.sum())
        around["pair_auc"] = auc_interval(found["pair_auc"], many, len(similar_M) - many)
    return found, around


class ScoredPairs(Protocol):
    """Scored pairs of sentences (STS) or of pictures: do the cosines agree with the scores?"""

    name = "sts"
    metrics = (
        Metric(
            "pair_auc",
            "similar pair nearer",
            "Shown a similar and a dissimilar pair, how often is the similar one nearer? 50 is guessing.",
            told="of a similar and a dissimilar pair the similar one is nearer in {value} of cases",
            decisive=True,
        ),
        Metric(
            "spearman",
            "Spearman's rank corr.",
            "Do the similarities rank pairs as people do? 100 is perfect agreement.",
            told="similarities agree with human judgement at {value} rank correlation",
            unit="",
            decisive=True,
        ),
    )
    models = ("images", "texts")
    always = True

    def misfit(self, task: Task) -> Misfit | None:
        if task.rows.kind == "scored_pairs":
            return None
        return Misfit(f"{task.rows.name} holds {task.rows.called}, not scored pairs", said=False)

    def chance(self, task: Task) -> dict[str, float]:
        return CHANCE

    def measure(self, features: Features, task: Task) -> Iterator[Measure]:
        rows = task.rows
        if rows.pictures is None:
            likeness_M = likeness(features.reader, rows)
        else:
            likeness_M = pairwise(features(rows, rows.ids), features(rows, Second(rows).partner(rows.ids)))
        found, around = agreement(likeness_M, rows)
        yield from (Measure(name, value, around.get(name)) for name, value in found.items())
