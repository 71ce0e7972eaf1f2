"""One rule for what a class is and what is unknown; splits are seen whatever their case and whatever lies beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.hostile import png

from kontrast.data.labels import name_of as class_name
from kontrast.data.labels import numbered
from kontrast.data.open import open_source
from kontrast.data.source import training_part
from kontrast.data.splits import canonical as split_name
from kontrast.errors import shown

UNKNOWN: list[Any] = [None, float("nan"), np.float32("nan"), -1, -1.0, "-1", "", "  ", "nan", "-1.0", np.int64(-1)]


@pytest.mark.parametrize("value", UNKNOWN, ids=repr)
def test_unknown_is_one_thing(value: Any) -> None:
    assert class_name(value) is None
    labels, classes = numbered([value, "b", value, "a"])
    assert labels.tolist() == [-1, 1, -1, 0] and classes == ("a", "b")


@given(st.integers(0, 10**9))
def test_a_number_is_one_class_however_it_is_written(number: int) -> None:
    ways = [number, float(number), str(number), f"{number}.0", f" {number} ", np.int32(number % 2**31), number]
    names = {class_name(way) for way in ways if int(float(way)) == number}
    assert names == {str(number)}


@given(st.lists(st.one_of(st.integers(-1, 9), st.none(), st.floats(0, 9), st.text(max_size=4), st.booleans())))
def test_numbered_is_sorted_dense_and_by_name(values: list[Any]) -> None:
    labels, classes = numbered(values)
    assert len(set(classes)) == len(classes) and set(labels[labels >= 0].tolist()) == set(range(len(classes)))
    for value, label in zip(values, labels.tolist()):
        assert (label < 0) == (class_name(value) is None) and (label < 0 or classes[label] == shown(class_name(value)))


def test_names_with_leading_zeros_stay_themselves() -> None:
    assert numbered(["01", "1", "1.5", "true", True])[1] == ("01", "1", "1.5", "True", "true")


def rows(place: Path, column: str, values: list[Any], **more: list[Any]) -> Path:
    place.mkdir(exist_ok=True)
    for n in range(len(values)):
        (place / f"{n}.png").write_bytes(png(n))
    lines = [{"image": f"{n}.png", column: v, **{k: w[n] for k, w in more.items()}} for n, v in enumerate(values)]
    (place / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return place / "t.jsonl"


def test_capital_letters_do_not_hide_columns(tmp_path: Path) -> None:
    values = ["Train", "TRAINING", "test", "Testing", None, "Dev"]
    source = open_source(rows(tmp_path, "Label", list("abacab"), Split=values))
    assert {name: ids.tolist() for name, ids in source.splits.items()} == {"train": [0, 1], "test": [2, 3], "dev": [5]}
    assert source.classes == ("a", "b", "c")
    assert (
        open_source(tmp_path / "t.jsonl", split="Test").ids.tolist() == [2, 3] == source.split("TESTING").ids.tolist()
    )
    assert training_part(source).ids.tolist() == [0, 1]


def test_a_split_is_called_by_one_name() -> None:
    assert [split_name(word) for word in ("Train", " testing ", "VAL", "A", "Fold 1", "validation")] == [
        "train", "test", "val", "A", "Fold 1", "validation",
    ]  # fmt: skip
