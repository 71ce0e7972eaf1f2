"""Numbers as a table, and what they mean in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.evaluate import formatting
from kontrast.evaluate.intervals import wilson
from kontrast.evaluate.suite import evaluate, raw_pixels
from kontrast.positives.images.papers import recipe

AFFINE = recipe("affine", 8, 1)


@pytest.fixture(scope="module")
def digits() -> tuple[Source, Source]:
    return open_source("digits"), open_source("digits", split="test")


def oracle(source: Source, ids: np.ndarray) -> Tensor:
    """An encoder that knows the class, and nearly the picture."""
    assert source.labels is not None
    known = torch.eye(10)[source.labels[ids]]
    return torch.cat([known, 0.01 * raw_pixels(source, ids)], dim=1)


def blind(source: Source, ids: np.ndarray) -> Tensor:
    """Gaussian numbers that depend on the sample's id only."""
    return torch.from_numpy(keyed.normal("test blind", ids[:, None], np.arange(16)))


@pytest.fixture(scope="module")
def result(digits: tuple[Source, Source]) -> dict[str, Any]:
    bank, test = digits
    columns = {"learned": oracle, "before": blind, "random_weights": blind, "raw_input": raw_pixels}
    return evaluate(columns, test, bank=bank, recipe=AFFINE)


def judged(learned: float, before: float | None, random: float, raw: float) -> dict[str, Any]:
    made: dict[str, Any] = {"learned": {"knn_top1": learned}}
    if before is not None:
        made["before"] = {"knn_top1": before}
    made |= {"random_weights": {"knn_top1": random}, "raw_input": {"knn_top1": raw}}
    about = {
        "data": "d",
        "items": 1000,
        "range": {c: {"knn_top1": wilson(v["knn_top1"], 1000)} for c, v in made.items()},
    }
    return made | {"about": about | {"chance": {"knn_top1": 0.1}}}


@pytest.mark.parametrize(
    ("values", "begins", "mood"),
    [
        ((0.9, None, 0.5, 0.6), "It learned something:", "good"),
        ((0.9, 0.5, 0.5, 0.6), "It learned something:", "good"),
        ((0.6, 0.9, 0.3, 0.4), "It got worse than where it began:", "bad"),
        ((0.3, 0.5, 0.5, 0.6), "It knows less than random weights do:", "bad"),
        ((0.51, None, 0.5, 0.2), "It learned nothing that these tests can see:", "unsure"),
        ((0.7, None, 0.5, 0.9), "It learned something, but the raw input still does better:", "unsure"),
        ((0.7, None, 0.5, 0.71), "It learned something, but the raw input does as well:", "unsure"),
    ],
)
def test_the_sentence_follows_the_numbers(values: tuple[float, Any, float, float], begins: str, mood: str) -> None:
    result = judged(*values)
    assert formatting.sentence(result).startswith(begins)
    assert formatting.mood(result) == mood
    assert f"{100 * values[0]:.1f} %" in formatting.sentence(result) and "10.0 % by guessing" in formatting.sentence(
        result
    )


def test_the_table_fits_a_terminal(result: dict[str, Any]) -> None:
    lines = formatting.table(result)
    assert max(len(line) for line in lines) <= 80
    assert lines[0].split() == ["%", "learned", "95", "%", "range", "random", "raw", "guessing"]
    assert any("the run began with these random weights" in line for line in lines)
    four = formatting.table(result | {"before": result["raw_input"]})
    assert "before" in four[0] and max(len(line) for line in four) <= 80
    knn = next(line for line in lines if line.startswith("nearest"))
    assert f"{100 * result['raw_input']['knn_top1']:.1f}" in knn and knn.endswith("12.2")
    assert len(formatting.table(judged(0.5, None, 0.5, 0.5))) > 2
