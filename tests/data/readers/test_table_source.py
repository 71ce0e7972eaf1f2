"""What a table with pictures, pairs, scores or splits becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.data.hostile import folder, pixels, png

from kontrast.data.open import open_source
from kontrast.errors import Unfit


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


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
