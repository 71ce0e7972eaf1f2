"""Tables as people write them; columns by name, faults told in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.hostile import pixels, png

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_sentences_a_line(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "s.txt", "\ufeffOne.\r\n\n  Two, three. \nÄrger 🙂\n"))
    assert source.kind == "texts" and source.texts([2, 0, 1]) == ["Ärger 🙂", "One.", "Two, three."]
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


def test_utf16_with_its_mark(tmp_path: Path) -> None:
    assert open_source(write(tmp_path / "a.csv", "text\nLöwe\n".encode("utf-16"))).texts([0]) == ["Löwe"]


def test_empty_texts_are_skipped_and_named(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.csv", "anchor,positive\na,b\nc, \n,d\ne,f\n"))
    assert source.ids.tolist() == [0, 3] and len(source) == 4
    assert [(s.id, s.reason) for s in source.skipped] == [(1, "empty positive"), (2, "empty anchor")]


def test_parquet_written_by_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    rows = {"image": [{"bytes": png(1), "path": "1.png"}, {"bytes": None, "path": None}], "label": [1, 0]}
    pandas.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    assert source.kind == "images" and source.ids.tolist() == [0] and source.labels.tolist() == [1, 0]
    assert "no picture in this row" in source.skipped[0].reason
    pandas.DataFrame({"text": ["a, b", "ü"], "label": ["x", "y"]}).to_csv(tmp_path / "a.csv", index=False)
    assert open_source(tmp_path / "a.csv").texts([0, 1]) == ["a, b", "ü"]
    pandas.DataFrame({"sentence": ["a", "b"]}).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    assert open_source(tmp_path / "a.jsonl").texts([1]) == ["b"]


def test_parquet_written_by_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [Image.fromarray(pixels(seed=s)) for s in (1, 2)], "label": [1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "a.parquet"))
    source = open_source(tmp_path / "a.parquet")
    assert source.classes == ("cat", "dog") and source.labels.tolist() == [1, 0]
    assert np.array_equal(source.images([1])[0].numpy(), pixels(seed=2).transpose(2, 0, 1))


def test_the_shared_sets(data: Path) -> None:
    pytest.importorskip("pyarrow")
    captions = open_source(data / "captions/flickr8k-sample.parquet", split="dev")
    assert captions.kind == "pairs" and len(captions) == 1200 and len(captions.ids) == 200
    assert len(captions.captions(captions.ids[:1])[0]) == 5 and captions.size == (224, 224)
    assert open_source(data / "nli/snli-sample.parquet").kind == "triplets"
    assert open_source(data / "sts/stsb.parquet", split="test").ids.size == 1379
