"""DOC kontrast.evaluate.embedders."""

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
from kontrast.evaluate.labelled import Ids
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from kontrast.data.pixels.store import Ids
from kontrast.evaluate import geometry, zero_shot
from kontrast.evaluate.retrieval import pair_retrieval
from kontrast.evaluate.intervals import wilson


Embedder: TypeAlias = "Callable[[Source, Ids], Tensor]"  # the features of these samples, (M, H)


class TwoTowers(Protocol):
    """Pictures and sentences into one space, as `PairModel` does."""

    def embed_source(self, source: Source, ids: Ids) -> Tensor: ...
    def embed_text(self, sentences: Sequence[str]) -> Tensor: ...
