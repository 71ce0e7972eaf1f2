"""One rule for what a class is and what is unknown; splits are seen whatever their case and whatever lies beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.hostile import folder, png

from kontrast.data.labels import name_of as class_name
from kontrast.data.labels import numbered
from kontrast.data.open import open_source
from kontrast.data.source import training_part
from kontrast.data.splits import canonical as split_name
from kontrast.errors import Unfit

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
        assert (label < 0) == (class_name(value) is None) and (label < 0 or classes[label] == class_name(value))


def test_names_with_leading_zeros_stay_themselves() -> None:
    assert numbered(["01", "1", "1.5", "true", True])[1] == ("01", "1", "1.5", "True", "true")


def rows(place: Path, column: str, values: list[Any], **more: list[Any]) -> Path:
    place.mkdir(exist_ok=True)
    for n in range(len(values)):
        (place / f"{n}.png").write_bytes(png(n))
    lines = [{"image": f"{n}.png", column: v, **{k: w[n] for k, w in more.items()}} for n, v in enumerate(values)]
    (place / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return place / "t.jsonl"


@pytest.mark.parametrize("several", [["joy", "fear"], {"joy": 1}, []], ids=repr)
def test_several_labels_a_row_are_left_out_and_refused_only_where_they_are_asked_for(
    tmp_path: Path, several: Any
) -> None:
    table = rows(tmp_path, "label", [several, ["joy"], several])
    source = open_source(table)
    assert source.labels is None and len(source.ids) == 3
    assert any("'label' left out" in line and "is not one class" in line for line in source.messages)
    with pytest.raises(Unfit, match=r"labels: column 'label' .* is not one class"):
        open_source(table, labels="label")
    with pytest.raises(Unfit, match=r"same: column 'label' .* is not one class"):
        open_source(table, same="label")
    with pytest.raises(Unfit, match="is not one class"):
        open_source(np.zeros((3, 6, 6), np.uint8), labels=[several, several, several])


def test_unlabelled_rows_are_counted(tmp_path: Path) -> None:
    source = open_source(rows(tmp_path, "label", [0, 1, -1, None, 1.0, "", 0]))
    assert source.classes == ("0", "1") and source.labels is not None
    assert source.labels.tolist() == [0, 1, -1, -1, 1, -1, 0]
    assert any("2 classes; 3 of 7 rows unlabelled" in line for line in source.messages)


def test_capital_letters_do_not_hide_columns(tmp_path: Path) -> None:
    values = ["Train", "TRAINING", "test", "Testing", None, "Dev"]
    source = open_source(rows(tmp_path, "Label", list("abacab"), Split=values))
    assert {name: ids.tolist() for name, ids in source.splits.items()} == {"train": [0, 1], "test": [2, 3], "dev": [5]}
    assert source.classes == ("a", "b", "c")
    assert (
        open_source(tmp_path / "t.jsonl", split="Test").ids.tolist() == [2, 3] == source.split("TESTING").ids.tolist()
    )
    assert training_part(source).ids.tolist() == [0, 1]


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "Testing"), ("TRAIN", "Test")], ids=repr)
@pytest.mark.parametrize("beside", ["", "preview.png", "link"])
def test_folders_are_splits_whatever_their_case_and_whatever_lies_beside(
    tmp_path: Path, names: tuple[str, str], beside: str
) -> None:
    folder(
        tmp_path,
        {f"{name}/{c}/{n}.png": png(n + 9 * (name == names[1])) for name in names for c in "ab" for n in range(4)},
    )
    if beside == "link":
        (tmp_path / "latest.png").symlink_to(tmp_path / "nowhere.png")
    elif beside:
        (tmp_path / beside).write_bytes(png(99))
    source = open_source(tmp_path, labels="folder")
    assert {name: len(ids) for name, ids in source.splits.items()} == {"train": 8, "test": 8}
    assert source.classes == ("a", "b") and len(source.ids) == 16
    assert [one.name for one in source.skipped] == ([{"link": "latest.png"}.get(beside, beside)] if beside else [])
    for word in ("test", names[1]):
        assert len(open_source(tmp_path, split=word).ids) == 8


def test_a_folder_that_only_looks_like_a_split_is_said(tmp_path: Path) -> None:
    folder(tmp_path, {f"{name}/{n}.png": png(n) for name in ("cat", "dog", "test") for n in range(3)})
    source = open_source(tmp_path)
    assert not source.splits and len(source.ids) == 9
    assert any("not taken as splits: test" in line and "cat, dog" in line for line in source.messages)


def test_a_split_is_called_by_one_name() -> None:
    assert [split_name(word) for word in ("Train", " testing ", "VAL", "A", "Fold 1", "validation")] == [
        "train", "test", "val", "A", "Fold 1", "validation",
    ]  # fmt: skip


def test_rows_without_a_score_are_skipped_and_named(tmp_path: Path) -> None:
    lines = [
        {"sentence1": f"a {n}", "sentence2": f"b {n}", "score": s} for n, s in enumerate([1, None, 0, float("nan")])
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = open_source(tmp_path / "s.jsonl")
    assert source.ids.tolist() == [0, 2]
    assert [(one.name, one.reason.split(" (")[0]) for one in source.skipped] == [
        ("row 2", "no score"), ("row 4", "no score"),
    ]  # fmt: skip
    for n in range(4):
        (tmp_path / f"{n}.png").write_bytes(png(n))
    (tmp_path / "p.csv").write_text("a,b,label\n0.png,1.png,1\n1.png,2.png,nan\n2.png,3.png,0\n")
    pictures = open_source(tmp_path / "p.csv")
    assert pictures.scored is not None and pictures.scored[2] == [1.0, 0.0]
    assert "1 without a score, the first in row 2" in pictures.messages[0]
