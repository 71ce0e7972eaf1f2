"""Which column is what: by its name, by what it holds, or as the user says."""

from __future__ import annotations

from pathlib import Path

import pytest

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_names_count_not_places(tmp_path: Path) -> None:
    straight = open_source(write(tmp_path / "a.tsv", "anchor\tpositive\thard_negative\nx\ty\tz\n"))
    swapped = open_source(write(tmp_path / "b.tsv", "Hard_Negative\tpositive\tAnchor\nz\ty\tx\n"))
    assert straight.kind == swapped.kind == "triplets"
    for role, value in (("anchor", "x"), ("positive", "y"), ("negative", "z")):
        assert straight.texts([0], role) == swapped.texts([0], role) == [value]
    assert straight.fingerprint == swapped.fingerprint
    assert "negative from 'hard_negative'" in straight.messages[1]


def test_ignored_columns_are_named_and_named_columns_win(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,headline,body\n1,One,Two\n")
    with pytest.raises(Unfit, match="id, headline, body, none of a known name"):
        open_source(path)
    source = open_source(path, columns=["text=headline"])
    assert source.texts([0]) == ["One"] and "ignored: id, body" in source.messages[1]
    with pytest.raises(Unfit, match="no column 'heading' for text; it has id, headline, body"):
        open_source(path, columns={"text": "heading"})
    with pytest.raises(Unfit, match="'words' is not a part"):
        open_source(path, columns={"words": "body"})
    with pytest.raises(Unfit, match="form image=NAME"):
        open_source(path, columns=["body"])


def test_two_unlike_columns_that_could_be_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "title,text\nA,B\n")
    with pytest.raises(Unfit, match=r"'text' and 'title' could both be the text.*--columns text="):
        open_source(path)
    assert open_source(path, columns={"text": "title"}).texts([0]) == ["A"]
    assert open_source(write(tmp_path / "b.csv", "caption,text\nA,A\n")).texts([0]) == ["A"]


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="'positive' but none for anchor"):
        open_source(write(tmp_path / "a.csv", "positive,thing\nA,B\n"))


def test_a_first_line_that_reads_like_a_row_is_asked_about(tmp_path: Path) -> None:
    rows = [f"{place},the weather of day {place} was fine\n" for place in range(9)]
    (tmp_path / "bare.csv").write_text("".join(rows))
    assert any("put names above it" in line for line in open_source(tmp_path / "bare.csv").messages)
    (tmp_path / "named.csv").write_text("place,review\n" + "".join(rows))
    assert not any("put names above it" in line for line in open_source(tmp_path / "named.csv").messages)
