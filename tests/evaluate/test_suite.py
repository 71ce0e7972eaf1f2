"""The whole evaluation on the embedded digits: known raw-pixel values, banks by class name, verdicts that can fail."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.open import open_source
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import formatting
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


def collapsed(source: Source, ids: np.ndarray) -> Tensor:
    return torch.ones(len(ids), 5)


def blind(source: Source, ids: np.ndarray) -> Tensor:
    """Gaussian numbers that depend on the sample's id only."""
    return torch.from_numpy(keyed.normal("test blind", ids[:, None], np.arange(16)))


@pytest.fixture(scope="module")
def result(digits: tuple[Source, Source]) -> dict[str, Any]:
    bank, test = digits
    columns = {"learned": oracle, "before": blind, "random_weights": blind, "raw_input": raw_pixels}
    return evaluate(columns, test, bank=bank, recipe=AFFINE)


def test_raw_digits_have_the_known_values(result: dict[str, Any]) -> None:
    """k-means about 0.80 and one label about 0.66, as published in the project's goals for this split."""
    raw = result["raw_input"]
    assert raw["kmeans_accuracy"] == pytest.approx(0.80, abs=0.02)
    assert raw["few_label_1"] == pytest.approx(0.66, abs=0.02)
    assert raw["knn_top1"] == pytest.approx(0.95, abs=0.02)
    assert raw["linear_top1"] == pytest.approx(0.97, abs=0.02)
    assert result["about"]["width"]["raw_input"] == 64


def test_the_ends_of_the_scale(result: dict[str, Any]) -> None:
    learned, blind_one = result["learned"], result["random_weights"]
    for metric in ("knn_top1", "linear_top1", "kmeans_accuracy", "nmi", "few_label_1", "few_label_10"):
        assert learned[metric] > 0.99
    for metric in ("knn_top1", "linear_top1", "few_label_1"):
        assert blind_one[metric] < 0.2
    assert blind_one["recall_at_1"] == 1.0  # by id alone, both views are the same
    assert blind_one["alignment"] == pytest.approx(0, abs=1e-9)
    assert result["before"] == blind_one  # the same embedder is measured once
    chance = result["about"]["chance"]
    assert chance["few_label_1"] == 0.1 and chance["recall_at_1"] == 1 / 360 and chance["knn_top1"] == 44 / 360


def test_it_is_json_and_the_same_twice(result: dict[str, Any], digits: tuple[Source, Source]) -> None:
    assert json.loads(json.dumps(result)) == result
    bank, test = digits
    again = evaluate({"raw_input": raw_pixels}, test, bank=bank, recipe=AFFINE)
    assert again["raw_input"] == result["raw_input"]
    assert set(result["about"]["range"]["learned"]) >= {"knn_top1", "few_label_5", "recall_at_1"}


def test_a_collapsed_encoder_scores_no_better_than_guessing(digits: tuple[Source, Source]) -> None:
    bank, test = digits
    found = evaluate({"learned": collapsed, "random_weights": raw_pixels}, test, bank=bank, recipe=AFFINE)
    learned, chance = found["learned"], found["about"]["chance"]
    assert learned["knn_top1"] <= chance["knn_top1"] and learned["linear_top1"] <= chance["linear_top1"]
    assert learned["recall_at_1"] == 0.0 and learned["effective_rank"] < 1.01
    assert formatting.sentence(found).startswith("It knows less than random weights do")


def test_without_a_bank_halves_of_the_test_are_used(digits: tuple[Source, Source]) -> None:
    found = evaluate({"raw_input": raw_pixels}, digits[1], protocols=["knn"])
    assert found["about"]["bank_items"] + found["about"]["test_items"] == 360
    assert found["about"]["k"] == found["about"]["bank_items"] // 5
    assert found["raw_input"]["knn_top1"] == pytest.approx(0.93, abs=0.03)
    assert "few_label_1" not in found["raw_input"]


def test_classes_are_compared_by_name(digits: tuple[Source, Source]) -> None:
    """The same test set with its classes numbered the other way round must score the same; strangers are errors."""
    bank, test = digits
    assert test.labels is not None
    turned = replace(test, labels=9 - test.labels, classes=test.classes[::-1])
    columns = {"raw_input": raw_pixels}
    right = evaluate(columns, test, bank=bank, protocols=["knn"])
    assert evaluate(columns, turned, bank=bank, protocols=["knn"])["raw_input"] == right["raw_input"]
    other = replace(test, classes=("a", *test.classes[1:]))
    worse = evaluate(columns, other, bank=bank, protocols=["knn"])
    assert worse["raw_input"]["knn_top1"] < right["raw_input"]["knn_top1"] - 0.05
    zeros = int((test.labels[test.ids] == 0).sum())
    assert f"{zeros} test items belong to classes that the bank lacks" in worse["about"]["notes"][0]


def test_unknown_labels_are_left_out(digits: tuple[Source, Source]) -> None:
    bank, test = digits
    assert test.labels is not None
    holes = replace(test, labels=np.where(np.arange(len(test.labels)) % 2, -1, test.labels))
    found = evaluate({"raw_input": raw_pixels}, holes, bank=bank, protocols=["knn"])
    assert found["about"]["test_items"] == (test.ids % 2 == 0).sum()


def test_what_does_not_fit_is_said(digits: tuple[Source, Source]) -> None:
    bare = replace(digits[1], labels=None, classes=())
    found = evaluate({"raw_input": raw_pixels}, bare, recipe=AFFINE)
    assert set(found["raw_input"]) == {"recall_at_1", "alignment", "uniformity", "effective_rank"}
    assert found["about"]["notes"] == []  # nobody named labels, so nothing is said about them
    one = replace(digits[1], labels=np.zeros(len(digits[1]), np.int64))
    found = evaluate({"raw_input": raw_pixels}, one, recipe=AFFINE)
    assert "names fewer than two classes" in found["about"]["notes"][0]
    with pytest.raises(Unfit, match="fewer than two classes"):
        evaluate({}, bare, protocols=["knn"], recipe=AFFINE)
    with pytest.raises(Unfit, match="how to draw views"):
        evaluate({}, bare, protocols=["views"])
    with pytest.raises(Unfit, match="'probe' is not known"):
        evaluate({}, bare, protocols=["probe"])
