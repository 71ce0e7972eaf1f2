"""Labels as people write them: what they are called, what is unknown, and in which order they are numbered."""

import numpy as np
import pytest

from kontrast.data.labels import declared, given, name_of, numbered, several, unlabelled
from kontrast.errors import Unfit


def test_a_label_is_what_it_is_called():
    assert [name_of(value) for value in (1, 1.0, "1", "1.0", np.float32(1), b"1")] == ["1"] * 6
    assert [name_of(value) for value in (None, float("nan"), "", " ", "-1", -1, "NaN")] == [None] * 7
    assert [name_of(value) for value in ("NA", "N/A", "#N/A", "null", "NULL", "NaT", "<NA>")] == [None] * 7
    assert name_of(0.5) == "0.5" and name_of("v1.0") == "v1.0" and name_of(True) == "True"


def test_numbers_are_sorted_as_numbers_and_words_after_them():
    numbers, classes = numbered([10, "9", "cat", None, 9.0, "ant"])
    assert classes == ("9", "10", "ant", "cat") and numbers.tolist() == [1, 0, 3, -1, 0, 2]


def test_declared_names_are_places_and_all_else_is_unknown():
    assert declared(["dog", 0, "cat", "7", None, "bird"], ["cat", "dog"]).tolist() == [1, 0, 0, -1, -1, -1]


def test_what_is_no_label_is_told():
    assert several(["a", ["b"], "c"]) == 1 and several(["a"]) is None
    assert unlabelled(["a", None, "-1", ""]) == "3 unlabelled (empty, -1)" and unlabelled(["a"]) == ""
    with pytest.raises(Unfit, match="2 of them do not fit 3 samples"):
        given([0, 1], 3, "array")
    with pytest.raises(Unfit, match="item 1 is a list"):
        given([0, [1], 2], 3, "array")
