"""CIFAR-10 as these programs read it, and how they score an encoder on it. Needs KONTRAST_DATA/cifar10."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from kontrast.data.open import Source, open_source
from kontrast.evaluate.knn import knn_predict
from kontrast.evaluate.linear import linear_probe
from kontrast.modalities.images.model import Model

DATA = Path(os.environ.get("KONTRAST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "cifar10"


def labelled(part: str) -> Source:
    """`train` (50,000 pictures) or `test` (10,000), with their classes."""
    return open_source(DATA / f"{part}.parquet", labels="label_name")


def knn(model: Model, bank: Source, test: Source) -> float:
    """Top-1 with k = min(200, a fifth of the bank) and T = 0.1; fraction."""
    vectors, known = _seen(model, bank, test)
    queries, answers = _seen(model, test, test)
    k = min(200, len(bank.ids) // 5)
    guess = knn_predict(queries, vectors, known, classes=10, k=k, temperature=0.1)
    return float((guess == answers).double().mean())


def linear(model: Model, bank: Source, test: Source) -> float:
    """Top-1 of the linear probe; fraction."""
    queries, answers = _seen(model, test, test)
    return float((linear_probe(*_seen(model, bank, test)).predict(queries) == answers).double().mean())


def _seen(model: Model, source: Source, test: Source) -> tuple[Tensor, Tensor]:
    """Features, and classes as numbers of the test set's classes (folders may name them in another order)."""
    assert source.labels is not None
    number = torch.tensor([test.classes.index(name) for name in source.classes])
    return model.embed_source(source, source.ids), number[torch.from_numpy(source.labels[source.ids])]
