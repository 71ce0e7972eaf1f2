"""Tables as people write them; columns by name, faults told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.hostile import folder, pixels, png

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


def test_judged_pairs_are_never_positives(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.csv", "sentence1,sentence2,score\na,b,4.5\nc,d,0\n"))
    assert (
        source.kind == "scored_pairs" and source.columns["score"] == [4.5, 0.0] and source.texts([1], "second") == ["d"]
    )


def test_pictures_and_captions_beside_the_table(tmp_path: Path) -> None:
    folder(tmp_path, {"p/1.png": png(1), "p/2.png": png(2), "bad.png": b"x"})
    rows = "p/1.png;one\np/2.png;two\np/1.png;uno\np/2.png;\nbad.png;bad\ngone.png;gone\n../x.png;out\n/etc/passwd;no\n"
    source = open_source(write(tmp_path / "a.csv", "filepath;title\n" + rows))
    assert source.kind == "pairs" and source.ids.tolist() == [0, 1, 2] and source.texts([2]) == ["uno"]
    assert torch.equal(source.images([2])[0], torch.from_numpy(pixels(seed=1)).permute(2, 0, 1))
    reasons = {s.id: s.reason for s in source.skipped}
    assert reasons[3] == "empty caption" and "not a picture" in reasons[4] and "no file gone.png" in reasons[5]
    assert "leaves the folder" in reasons[6] and "leaves the folder" in reasons[7]
    assert source.groups[0] == source.groups[2] != source.groups[1]
    assert any("image from 'filepath', text from 'title'" in line for line in source.messages)
    with pytest.raises(Unfit, match=r"all 1 samples.*no file p/9.png"):
        open_source(write(tmp_path / "b.csv", "image,text\np/9.png,nine\n"))


def test_no_header_is_noticed_by_the_picture_it_names(tmp_path: Path) -> None:
    folder(tmp_path, {"1.png": png(1), "2.png": png(2)})
    source = open_source(write(tmp_path / "a.csv", "a cat,1.png\na dog,2.png\n"))
    assert source.texts([0, 1]) == ["a cat", "a dog"] and any("no header" in line for line in source.messages)


def test_lists_of_captions(tmp_path: Path) -> None:
    folder(tmp_path, {"1.png": png(1), "2.png": png(2)})
    rows = [{"file_name": "1.png", "caption": "a", "captions": ["a", "b", " "]}, {"file_name": "2.png", "captions": []}]
    source = open_source(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))))
    assert source.captions([0]) == [["a", "b"]] and source.ids.tolist() == [0]
    drawn = {source.texts([0], epoch=epoch)[0] for epoch in range(20)}
    assert drawn == {"a", "b"}
    assert source.texts([0], seed=1, epoch=4) == source.texts([0], seed=1, epoch=4)


def test_imagefolder_metadata(tmp_path: Path) -> None:
    folder(
        tmp_path / "one", {"1.png": png(1), "2.png": png(2), "metadata.csv": b"file_name,text\n2.png,two\n1.png,one\n"}
    )
    one = open_source(tmp_path / "one")
    assert one.kind == "pairs" and one.texts(one.ids) == ["two", "one"]
    folder(tmp_path / "two", {
        "train/1.png": png(1), "train/metadata.jsonl": b'{"file_name": "1.png", "text": "one"}\n',
        "test/1.png": png(2), "test/metadata.jsonl": b'{"file_name": "1.png", "text": "two"}\n',
    })  # fmt: skip
    two = open_source(tmp_path / "two", split="test")
    assert two.texts(two.ids) == ["two"] and torch.equal(two.images(two.ids), one.images([0]))


def test_rows_of_two_pictures_and_a_label(tmp_path: Path) -> None:
    folder(tmp_path, {f"{i}.png": png(i) for i in range(3)} | {"bad.png": b"x"})
    source = open_source(write(tmp_path / "p.csv", "a,b,label\n2.png,0.png,1\n0.png,1.png,0\nbad.png,1.png,1\n"))
    assert source.kind == "images" and list(source.names) == ["0.png", "1.png", "2.png", "bad.png"]
    first, second, label = source.scored
    assert (first.tolist(), second.tolist(), label) == ([2, 0], [0, 1], [1.0, 0.0])
    assert "1 rows with a broken picture left out" in source.messages[0]


def test_splits_labels_and_groups_by_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,split,label,product\na,train,x,p\nb,test,y,p\nc,train,,q\n")
    source = open_source(path, same="product")
    assert source.splits["train"].tolist() == [0, 2] and any("all taken" in line for line in source.messages)
    assert source.labels.tolist() == [0, 1, -1] and source.classes == ("x", "y")
    assert source.groups.tolist() == [0, 0, 1]
    assert open_source(path, split="test").ids.tolist() == [1] == source.split("test").ids.tolist()
    for how, words in (
        ({"split": "dev"}, "no rows of split 'dev'; it has train, test"),
        ({"labels": "color"}, "no column 'color'"),
        ({"same": "shop"}, "no column 'shop'"),
    ):
        with pytest.raises(Unfit, match=words):
            open_source(path, **how)
    assert open_source(path, labels="product").classes == ("p", "q")


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
