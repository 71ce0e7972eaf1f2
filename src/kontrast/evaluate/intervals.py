"""DOC kontrast.evaluate.intervals."""

from __future__ import annotations
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from kontrast.data.scored_pairs import Second, by_rows, each_once
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import geometry, scored_pairs
from kontrast.evaluate.kmeans import kmeans
from kontrast.evaluate.few_label import few_label
from kontrast.evaluate.knn import knn_predict, neighbours_to_ask
from kontrast.evaluate.linear import linear_probe
from kontrast.evaluate.splits import Split, halves, labelled, renamed, some
from kontrast.evaluate.view_retrieval import ITEMS, drawn, view_recall
from kontrast.evaluate.formatting import sentence, table
from kontrast.positives.images.view import Recipe
from kontrast.positives.images import prepare
from kontrast.similarity import pairwise


def wilson(share: float, count: int) -> list[float]:
    """The 95 % interval of a share seen in `count` trials (Wilson 1927)."""
    z2 = 1.959964**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count * count))) / (1 + z2 / count)
    return [max(0.0, centre - half), min(1.0, centre + half)]
