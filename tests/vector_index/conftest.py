"""An index of made-up vectors in small shards, without a model: 230 rows that lie round 5 places."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.vector_index.build import build
from kontrast.vector_index.layout import Index, Meta
from kontrast.vector_index.shards import Wanted

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
ROWS, WIDTH = 230, 16


def made_up(rows=ROWS, width=WIDTH):
    """(vectors (rows, width) float32, the place that each lies round)."""
    place = np.arange(rows) % 5
    centres = keyed.normal("centres", np.arange(5 * width)).reshape(5, width)
    around = keyed.normal("around", np.arange(rows * width)).reshape(rows, width)
    return (centres[place] + 0.5 * around).astype(np.float32), place


def index_of(folder, vectors, *, labels=None, texts=None, shard=64, dtype="float32", weights="w") -> Index:
    """An index of these vectors, made by the same code as any other."""
    texts = texts or [f"sentence {row} of many" for row in range(len(vectors))]
    source = open_source(texts, labels=None if labels is None else list(labels))
    if labels is not None and source.labels is None:
        source = replace(source, labels=np.asarray(labels), classes=tuple(str(n) for n in range(max(labels) + 1)))
    wanted = Wanted(source, lambda _, ids: torch.from_numpy(vectors[ids]))
    meta = Meta("model", weights, "data", len(vectors), vectors.shape[1], shard, dtype, 1, 0, wanted.text)
    return build(folder, meta, wanted).index


@pytest.fixture
def index(tmp_path):
    vectors, place = made_up()
    return index_of(tmp_path / "index", vectors, labels=place)
