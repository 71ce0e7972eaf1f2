"""Rows of a table: faults told in a sentence, empty texts skipped and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("a.csv", b"text,label\ncaf\xe9,1\n", r"line 2 \(byte 0xe9\)"),
        ("a.csv", "text\nLöwe\n".encode() + b"caf\xe9\n", "mixes encodings.*line 3"),
        ("a.txt", b"One\nTwo\0\n", "line 2 holds a zero byte"),
        ("a.csv", b"text,label\na,b,c\n", "line 2 has 3 fields where the first has 2"),
        ("a.csv", b"text,text\na,b\n", "two columns called 'text'"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text\n", "has no rows"),
        ("a.txt", b"\n\n", "has no rows"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("a.jsonl", b'{"text": 5}\n', "row 1: words were expected for text, not int '5'"),
        ("a.parquet", b"PAR1nonsense", "cannot be read as parquet"),
        ("a.pdf", b"x", "kind that cannot be read"),
        ("a.csv", b"text\n \n\n", "all 1 samples cannot be used.*empty caption"),
        ("a.csv", b"sentence1,sentence2,score\na,b,high\n", "'score' should hold numbers, not 'high'"),
    ],
)
def test_faults_are_told_in_a_sentence(tmp_path: Path, name: str, raw: bytes, words: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    with pytest.raises(Unfit, match=words) as caught:
        open_source(write(tmp_path / name, raw))
    assert "\n" not in str(caught.value)


def test_empty_texts_are_skipped_and_named(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.csv", "anchor,positive\na,b\nc, \n,d\ne,f\n"))
    assert source.ids.tolist() == [0, 3] and len(source) == 4
    assert [(s.id, s.reason) for s in source.skipped] == [(1, "empty positive"), (2, "empty anchor")]
