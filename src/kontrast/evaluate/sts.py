"""Do similarities of sentences agree with human judgement? Spearman's rank correlation on scored pairs.

The "all" setting: all pairs of a set are ranked together, subsets are not averaged (Gao et al. 2021, appendix B, shows
how much the other settings differ). Cosine of the embeddings as they are, nothing is fitted, nothing cut at 32 tokens.

Shapes: M scored pairs, H feature width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate.embedders import Embed
from kontrast.similarity import pairwise

PAIRS_AT_ONCE = 2048  # bounds the memory of wide vectors, such as TF-IDF's


def spearman(likeness_M: Tensor, score_M: npt.ArrayLike) -> float:
    """Rank correlation, -1 to 1; equal values share their mean rank. 0 where one side is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.asarray(side, dtype=np.float64)) for side in (likeness_M, score_M)]
    if len(ranks[0]) != len(ranks[1]) or len(ranks[0]) < 2:
        raise ValueError(f"spearman needs two equally long lists, 2 or more; got {len(ranks[0])} and {len(ranks[1])}.")
    one, other = (rank - rank.mean() for rank in ranks)
    scale = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / scale if scale else 0.0


def interval(correlation: float, count: int) -> list[float]:
    """The 95 % interval of a rank correlation over `count` pairs (Fisher's z, Bonett and Wright 2000)."""
    if count < 4:
        return [-1.0, 1.0]
    half = 1.959964 * math.sqrt((1 + correlation**2 / 2) / (count - 3))
    z = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, correlation)))
    return [math.tanh(z - half), math.tanh(z + half)]


def sts(embed: Embed, source: Source) -> float:
    """Spearman between the cosine of each scored pair and its score, in fp32. Chance is 0."""
    return spearman(likeness(embed, source), np.asarray(source.columns["score"], dtype=np.float64)[source.ids])


def likeness(embed: Embed, source: Source) -> Tensor:
    """The cosine of the two sentences of each scored pair, (M,)."""
    if source.kind != "scored_pairs" or "first" not in source.columns:
        raise Unfit(
            f"{source.name} holds {source.kind}; scored pairs of sentences were expected (two texts and a score)."
        )
    first, second = source.texts(source.ids, "first"), source.texts(source.ids, "second")
    parts = []
    for start in range(0, len(first), PAIRS_AT_ONCE):
        side = slice(start, start + PAIRS_AT_ONCE)
        both = embed([*first[side], *second[side]]).float()
        parts.append(pairwise(*both.split(len(both) // 2)))
    return torch.cat(parts)


def several(columns: Mapping[str, Embed], sources: Sequence[Source]) -> dict[str, dict[str, float]]:
    """`{column: {set: spearman, ..., "average": mean over the sets}}`."""
    result = {}
    for name, embed in columns.items():
        found = {source.name: sts(embed, source) for source in sources}
        result[name] = found | {"average": sum(found.values()) / len(found)}
    return result


def lines(result: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The table of `several` for a terminal: sets down, columns across, times 100."""
    sets = list(next(iter(result.values())))
    width = max(len(name) for name in sets)
    head = f"{'Spearman x 100':<{width}}" + "".join(f"{name.replace('_', ' '):>16}" for name in result)
    rows = [f"{name:<{width}}" + "".join(f"{100 * found[name]:>16.2f}" for found in result.values()) for name in sets]
    return [head, *rows]
