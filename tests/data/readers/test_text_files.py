"""Text files of rows: sentences, separators, quotes, UTF-16."""

from __future__ import annotations

from pathlib import Path

import pytest

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_sentences_a_line(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "s.txt", "\ufeffOne.\r\n\n  Two, three. \nÄrger 🙂\n"))
    assert source.kind == "texts" and source.texts([3, 0, 2]) == ["Ärger 🙂", "One.", "Two, three."]
    assert any("1 blank lines" in line for line in source.messages)
    with pytest.raises(Unfit, match="holds sentences, but pictures are needed"):
        source.needs("images")
    with pytest.raises(Unfit, match="not pictures"):
        source.images([0])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_and_quotes(tmp_path: Path, separator: str) -> None:
    rows = [["anchor", "positive"], ["a;b,c|d\te", 'say "hi"'], ["two", "zwei\nlines"]]
    text = "\n".join(separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    source = open_source(write(tmp_path / "t.csv", "\ufeff" + text + "\n"))
    assert source.kind == "pairs" and source.texts([0, 1], "anchor") == ["a;b,c|d\te", "two"]
    assert source.texts([0, 1], "positive") == ['say "hi"', "zwei\nlines"]


def test_utf16_with_its_mark(tmp_path: Path) -> None:
    assert open_source(write(tmp_path / "a.csv", "text\nLöwe\n".encode("utf-16"))).texts([0]) == ["Löwe"]
