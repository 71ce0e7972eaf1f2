"""The words of rows: blanks stripped, half letters mended and said, what is no text told with its row."""

import math

import numpy as np
import pytest

from kontrast.data.readers.words import cleaned_words, scores
from kontrast.errors import Unfit

ALL = np.arange(4)


def test_blanks_go_and_empty_ones_are_named():
    empty, words = cleaned_words({"anchor": [" a ", None, float("nan"), "d"]}, ALL, "t.csv", [])
    assert words["anchor"] == ["a", "", "", "d"] and empty == {1: "empty anchor", 2: "empty anchor"}
    empty, words = cleaned_words({"text": [["x ", ""], [], ["y"], "z"]}, ALL, "t.csv", [])
    assert words["text"] == [["x"], [], ["y"], "z"] and empty == {1: "empty caption"}


def test_half_an_emoji_is_mended_or_replaced_and_said():
    messages = []
    _, words = cleaned_words({"text": ["ok", "a\ud83d", "\ud83d\ude00", "b"]}, ALL, "t.csv", messages)
    assert words["text"] == ["ok", "a\ufffd", "\U0001f600", "b"] and "2 with half a letter" in messages[0]
    assert "row 2" in messages[0]


def test_what_is_no_text_and_no_number_is_told_with_its_row():
    with pytest.raises(Unfit, match="row 2: words were expected for text, not int '7'"):
        cleaned_words({"text": ["a", 7]}, ALL[:2], "t.csv", [])
    found = scores(["1", 2.5, "", None], "score", "t.csv")
    assert found[:2] == [1.0, 2.5] and all(map(math.isnan, found[2:]))
    with pytest.raises(Unfit, match="row 1: column 'score' should hold numbers"):
        scores(["much"], "score", "t.csv")
