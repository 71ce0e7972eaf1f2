"""Tables as people have them: lines, quotes, lists, labels and halves of letters, each as it was meant or said."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.hostile import folder, png

from kontrast.data.labels import numbered
from kontrast.data.open import Source, open_source
from kontrast.data.readers.text_files import lines_of
from kontrast.errors import Unfit

ROWS = [f"sentence number {i} about a small thing" for i in range(40)]
ODD_ENDS = {
    3: "first half\u2028second half",
    7: "one\u2029two",
    9: "price is 5\x85more",
    11: "page\x0cbreak",
    12: "file\x1cseparator",
    13: "line\x0btab",
}


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def words_of(source: Source, role: str = "text") -> list[str]:
    return source.texts(source.ids, role)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", ["txt", "csv", "tsv", "jsonl"])
def test_only_three_ends_end_a_line(tmp_path: Path, end: str, kind: str) -> None:
    rows = [ODD_ENDS.get(i, row) for i, row in enumerate(ROWS)]
    if kind == "txt":
        text = end.join(rows) + end
    elif kind == "jsonl":
        text = end.join(json.dumps({"sentence": row}, ensure_ascii=False) for row in rows) + end
    else:
        separator = "," if kind == "csv" else "\t"
        text = end.join(f"{row}{separator}{i}" for row, i in zip(["sentence", *rows], ["id", *range(40)])) + end
    assert words_of(open_source(write(tmp_path / f"s.{kind}", text))) == rows


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_lines_are_those_of_the_editor(text: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline=None)  # Python's universal newlines
    assert lines_of(text) == [line.removesuffix("\n") for line in file]


@pytest.mark.parametrize(
    "marks",
    [
        {3: '"I am here.', 9: 'He left."'},
        {3: '"I am here.'},
        {3: 'He left."'},
        {5: 'a 5" disk'},
        {2: '"whole"'},
        {2: '""', 3: '"'},
        {1: '"a', 2: 'b"', 3: '"c', 4: 'd"'},
        {i: f'"{ROWS[i]}' for i in range(40)},
        {4: '"so," he said'},
    ],
)
@pytest.mark.parametrize("columns", [1, 2])
def test_quotation_marks_between_tabs_are_text(tmp_path: Path, marks: dict[int, str], columns: int) -> None:
    rows = [marks.get(i, row) for i, row in enumerate(ROWS)]
    lines = ["sentence\tid" if columns == 2 else "sentence"]
    lines += [f"{row}\t{i}" if columns == 2 else row for i, row in enumerate(rows)]
    assert words_of(open_source(write(tmp_path / "s.tsv", "\n".join(lines) + "\n"))) == rows


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_tsv_that_was_written_with_quotes_is_read_with_them(tmp_path: Path, quoting: int, end: str) -> None:
    rows = [row if i % 5 else f'tab\there, "so" he said{i}\nand left' for i, row in enumerate(ROWS)]
    file = io.StringIO()
    writer = csv.writer(file, delimiter="\t", quoting=quoting, lineterminator=end)
    writer.writerows([["sentence", "id"], *([row, i] for i, row in enumerate(rows))])
    assert words_of(open_source(write(tmp_path / "s.tsv", file.getvalue()))) == rows


@settings(max_examples=200)
@given(st.lists(st.tuples(st.text('ab", \t\n', max_size=8), st.text('ab"', max_size=4)), min_size=1, max_size=6))
def test_what_pandas_or_csv_writes_between_tabs_comes_back(tmp_path_factory, rows: list[tuple[str, str]]) -> None:
    rows = [(f"x{a}y{i}", f"p{b}q") for i, (a, b) in enumerate(rows)]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        if quoting == csv.QUOTE_MINIMAL and all(
            line.count("\t") == 1 for line in lines_of("\n".join(map("\t".join, rows))) if line.strip()
        ):
            continue  # lines that are rows either way
        file = io.StringIO()
        csv.writer(file, delimiter="\t", quoting=quoting, lineterminator="\n").writerows(
            [("anchor", "positive"), *rows]
        )
        path = write(tmp_path_factory.mktemp("t") / "t.tsv", file.getvalue())
        source = open_source(path)
        assert list(zip(words_of(source, "anchor"), words_of(source, "positive"))) == rows


def test_the_sts_sets_without_quotes(tmp_path: Path, data: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for file in sorted((data / "sts").glob("*.parquet")):
        table = parquet.read_table(file).select(["sentence1", "sentence2", "score"]).to_pydict()
        lines = ["\t".join(map(str, row)) for row in zip(*table.values())]
        source = open_source(write(tmp_path / f"{file.stem}.tsv", "sentence1\tsentence2\tscore\n" + "\n".join(lines)))
        assert source.kind == "scored_pairs" and words_of(source, "first") == [s.strip() for s in table["sentence1"]]
        assert words_of(source, "second") == [s.strip() for s in table["sentence2"]]


def test_fields_of_any_length(tmp_path: Path) -> None:
    long = "word " * 60_000
    before = csv.field_size_limit()
    assert words_of(open_source(write(tmp_path / "a.csv", f"text,id\n{long},1\nshort,2\n"))) == [long.strip(), "short"]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("first", ["a" * 300, "今天天气很好" * 60, "a/" * 3000, "\x01", "x" * 5000 + ".png"])
def test_a_first_text_that_can_be_no_file_name(tmp_path: Path, first: str) -> None:
    rows = "\n".join(f"{first} {i},other {i},{i % 2}" for i in range(12))
    source = open_source(write(tmp_path / "a.csv", f"sentence1,sentence2,label\n{rows}\n"))
    assert source.kind == "scored_pairs" and len(source.ids) == 12
    source = open_source(write(tmp_path / "b.csv", f"review,stars\n{rows.replace(',other', ' other')}\n"))
    assert source.kind == "texts" and len(source.ids) == 12
    with pytest.raises(Unfit, match="does not exist"):
        open_source(first)


@pytest.mark.parametrize("ending", [b"", b"\0", b"\x3d\xd8"])
def test_utf16_that_is_cut(tmp_path: Path, ending: bytes) -> None:
    raw = "text\nLöwe\nBär\n".encode("utf-16") + ending
    if not ending:
        assert words_of(open_source(write(tmp_path / "a.csv", raw))) == ["Löwe", "Bär"]
        return
    with pytest.raises(Unfit, match=r"cut or broken UTF-16: see line 3"):
        open_source(write(tmp_path / "a.csv", raw))


def test_utf32_is_no_utf16(tmp_path: Path) -> None:
    for name in ("utf-32", "utf-16"):
        assert words_of(open_source(write(tmp_path / "a.txt", "Löwe 🙂\nBär".encode(name)))) == ["Löwe 🙂", "Bär"]


def test_json_that_is_too_deep_or_double(tmp_path: Path) -> None:
    for text, words in (
        ('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}", "line 2 is JSON inside JSON too deep"),
        ('{"text": ' + '{"a":' * 100_000 + "1" + "}" * 100_001, "line 2 is JSON inside JSON too deep"),
        ('{"text": "a", "text": "b"}', "line 2 has two values called 'text'"),
    ):
        with pytest.raises(Unfit, match=words):
            open_source(write(tmp_path / "a.jsonl", '{"text": "fine"}\n' + text + "\n"))


def test_blank_lines_do_not_move_ids(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "s.txt", "zero\n\n   \nthree\n\u2028\nfive\n\n\n"))
    assert source.ids.tolist() == [0, 3, 5] and source.names[3] == "row 4" and not source.skipped
    assert any("3 blank lines left out, the first is line 2" in line for line in source.messages)
    open_source(tmp_path / "s.txt", strict=True)
    plain = open_source(write(tmp_path / "a.txt", "one\ntwo\n"))
    assert plain.fingerprint == open_source(write(tmp_path / "b.txt", "one\r\ntwo\n\n\n")).fingerprint


@pytest.mark.parametrize("half", ["cut emoji \ud83d here", "\udd42", "a\ud83d\ud83d\ude42b"])
def test_half_an_emoji_is_replaced_and_said(tmp_path: Path, half: str) -> None:
    rows = [half if i == 5 else row for i, row in enumerate(ROWS)]
    source = open_source(write(tmp_path / "a.jsonl", "\n".join(json.dumps({"text": row}) for row in rows)))
    assert (
        len(source.ids) == 40 and "\ufffd" in words_of(source)[5] and any("row 6" in line for line in source.messages)
    )
    "".join(words_of(source)).encode()
    assert words_of(open_source(rows)) == words_of(source)
    assert json.loads(json.dumps("🙂")) in words_of(open_source([json.loads(json.dumps("🙂")), "b c"]))


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("img/\0.png", "can be no name"),
        ("x" * 300 + ".png", "too long"),
        ("\ud83d.png", "can be no name"),
        ("..", "leaves"),
        ("", "no picture in this row"),
        ("gone.png", "no file gone.png"),
        ("/etc/passwd", "leaves the folder"),
        (None, "no picture"),
    ],
)
def test_a_picture_that_cannot_be_is_named(tmp_path: Path, name: str | None, cause: str) -> None:
    folder(tmp_path, {f"img/{i}.png": png(i) for i in range(4)})
    for at in (0, 2):
        rows = [{"image": f"img/{i}.png", "caption": f"thing {i}"} for i in range(4)]
        rows[at]["image"] = name
        source = open_source(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))))
        assert source.kind == "pairs" and source.ids.tolist() == [i for i in range(4) if i != at]
        assert cause in source.skipped[0].reason and source.skipped[0].id == at and len(source.fingerprint) == 32


def test_rows_of_pictures_whose_first_is_gone(tmp_path: Path) -> None:
    folder(tmp_path, {f"img/{i}.png": png(i) for i in range(6)})
    rows = "".join(f"img/{i}.png,img/{i + 1}.png,{i % 2}\n" for i in range(5))
    source = open_source(write(tmp_path / "a.csv", "a,b,label\nimg/gone.png,img/1.png,1\n" + rows))
    assert source.kind == "images" and source.scored is not None and len(source.scored[0]) == 5
    assert source.skipped[0].name == "img/gone.png" and "the first is row 1" in source.messages[0]
    with pytest.raises(Unfit, match=r"samples cannot be used, the first is img/gone0.png"):
        open_source(
            write(tmp_path / "b.csv", "a,b,label\n" + "".join(f"img/gone{i}.png,img/no{i}.png,1\n" for i in range(5)))
        )


def test_a_list_as_pandas_numpy_or_json_writes_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    folder(tmp_path, {f"{i}.png": png(i) for i in range(3)})
    meant = [["it's a dog", 'a "big" dog'], ["café\n", "x, y"], ["one"]]
    for made in (
        [str(each) for each in meant],
        [str(np.array(each)) for each in meant],
        [str(tuple(each)) for each in meant],
        [json.dumps(each) for each in meant],
        [str([*each, None]) for each in meant],
    ):
        pandas.DataFrame({"image": [f"{i}.png" for i in range(3)], "captions": made}).to_csv(
            tmp_path / "a.csv", index=False
        )
        source = open_source(tmp_path / "a.csv")
        assert source.captions(source.ids) == [[text.strip() for text in each] for each in meant], made
    for text in ("[laughs] hello", "(a) first", "['a', open]", "[1, 2", "[]x", "['a' + 'b']", "(3)"):
        source = open_source(write(tmp_path / "b.jsonl", json.dumps({"text": text})))
        assert words_of(source) == [text]
        assert words_of(open_source(write(tmp_path / "b.tsv", f"text\n{text}\n"))) == [text]


def test_no_label_is_no_class(tmp_path: Path) -> None:
    for missing in (None, float("nan"), -1, -1.0, "-1", "nan", "", np.nan, np.float32("nan"), np.int64(-1), "None"):
        labels, classes = numbered([2, missing, 0, 2])
        assert labels.tolist() == [1, -1, 0, 1] and classes == ("0", "2"), missing
    for ones in ([1, 1.0, "1", "1.0", np.float32(1), np.int8(1), True and 1], [b"1", "1.00"]):
        assert numbered([*ones, "0"])[0].tolist() == [1] * len(ones) + [0]
    assert numbered(["1.5", 1.5, "v1.0", "007", "7"])[1] == ("1.5", "007", "7", "v1.0")
    source = open_source(write(tmp_path / "a.csv", "text,label\na b,1.0\nc d,\ne f,0.0\ng h,-1\n"))
    assert source.labels is not None and source.labels.tolist() == [1, -1, 0, -1] and source.classes == ("0", "1")
    assert any("2 classes, 2 unlabelled (empty, -1)" in line for line in source.messages)


@given(
    st.lists(
        st.one_of(st.none(), st.floats(), st.integers(-2, 5), st.text(max_size=3), st.booleans(), st.binary(max_size=3))
    )
)
def test_any_values_are_labels(values: list[object]) -> None:
    labels, classes = numbered(values)
    assert len(labels) == len(values) and set(labels.tolist()) - {-1} == set(range(len(classes)))
    assert len(set(classes)) == len(classes) or any(not str(value).isprintable() for value in values)


@pytest.mark.parametrize("label", [["joy", "fear"], {"name": "joy", "id": 3}, [3], []])
def test_several_labels_a_row_matter_only_where_labels_are_used(tmp_path: Path, label: object) -> None:
    rows = "\n".join(json.dumps({"text": row, "label": label if i else "joy"}) for i, row in enumerate(ROWS))
    source = open_source(write(tmp_path / "a.jsonl", rows))
    assert (
        len(source.ids) == 40 and source.labels is None and any("row 2 of column 'label'" in m for m in source.messages)
    )
    with pytest.raises(Unfit, match=r"labels: .*row 2 of column 'label' holds a"):
        open_source(tmp_path / "a.jsonl", labels="label")
    with pytest.raises(Unfit, match="several values, not one group"):
        open_source(tmp_path / "a.jsonl", same="label")
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table({"text": ROWS, "label": [label] * 40}), tmp_path / "a.parquet")
    assert open_source(tmp_path / "a.parquet").labels is None
    with pytest.raises(Unfit, match="not one label"):
        open_source(tmp_path / "a.parquet", labels="label")
    as_text = "\n".join(f'{row},"{label}"' for row in ROWS)
    if isinstance(label, list) and label:
        assert open_source(write(tmp_path / "a.csv", f"text,label\n{as_text}\n")).labels is None


def test_parquet_of_every_type(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    twice = arrow.Table.from_arrays([arrow.array(["a"]), arrow.array(["b"])], names=["text", "text"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(Unfit, match="two columns called 'text'"):
        open_source(tmp_path / "twice.parquet")
    sets = {}
    for name, labels in (("int", [0, 1, 1]), ("float", [0.0, 1.0, 1.0]), ("text", ["0", "1", "1"])):
        parquet.write_table(arrow.table({"text": ["a b", "c d", "e f"], "label": labels}), tmp_path / f"{name}.parquet")
        source = open_source(tmp_path / f"{name}.parquet")
        sets[name] = (source.classes, source.labels.tolist(), source.fingerprint)
    assert sets["int"] == sets["float"] == sets["text"]
    bad = arrow.array([b"fine", b"caf\xe9"], arrow.binary()).cast(arrow.string(), safe=False)
    parquet.write_table(arrow.table({"text": ["a b", "c d"], "note": bad}), tmp_path / "bad.parquet")
    source = open_source(tmp_path / "bad.parquet")
    assert words_of(source) == ["a b", "c d"] and any("'note' cannot be read" in line for line in source.messages)
    odd = arrow.table(
        {
            "text": arrow.array(["a b", "c d"]).dictionary_encode(),
            "when": arrow.array([1, 2**62], arrow.timestamp("ns")),
            "map": arrow.array([[("k", 1)], []], arrow.map_(arrow.string(), arrow.int8())),
            "nothing": arrow.nulls(2),
            "long": arrow.array([1, 2], arrow.duration("ns")),
            "money": arrow.array(["1.0", "2.5"]).cast(arrow.decimal128(5, 2)),
        }
    )
    parquet.write_table(odd, tmp_path / "odd.parquet")
    assert words_of(open_source(tmp_path / "odd.parquet")) == ["a b", "c d"]


def test_a_path_beside_text_is_a_picture_only_if_it_is_one(tmp_path: Path) -> None:
    rows = [{"text": row, "path": f"src/file{i}.py"} for i, row in enumerate(ROWS)]
    code = write(tmp_path / "code.jsonl", "\n".join(map(json.dumps, rows)))
    assert open_source(code).kind == "texts" and open_source(code, columns=["text=text"]).kind == "texts"
    folder(tmp_path, {f"src/file{i}.py": b"print()" for i in range(40)} | {"1.png": png(1), "2.bin": png(2)})
    assert open_source(code).kind == "texts"
    pictures = write(tmp_path / "p.csv", "text,path\none,1.png\ntwo,2.bin\n")
    assert open_source(pictures).kind == "pairs"
    words = open_source(pictures, texts_only=True)
    assert words.kind == "texts" and words.pictures is None and words_of(words) == ["one", "two"]
    with pytest.raises(Unfit, match="all 40 samples cannot be used"):
        open_source(code, columns=["image=path", "text=text"])


def test_splits_and_labels_in_any_case(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Text,Split,Label\na b,Train,x\nc d,TRAIN,y\ne f,Testing,x\ng h,,y\n")
    source = open_source(path)
    assert {name: ids.tolist() for name, ids in source.splits.items()} == {"train": [0, 1], "test": [2]}
    assert source.classes == ("x", "y") and any("1 rows in none" in line for line in source.messages)
    for name in ("Test", "test", "Testing", "TESTING"):
        assert open_source(path, split=name).ids.tolist() == source.split(name).ids.tolist() == [2]
    with pytest.raises(Unfit, match="it has train, test"):
        open_source(path, split="dev")


def test_a_score_that_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sentence1,sentence2,score\na,b,4.5\nc,d,nan\ne,f,\ng,h,0\n")
    source = open_source(path)
    assert source.ids.tolist() == [0, 3] and {s.reason for s in source.skipped} == {"no score"}
    with pytest.raises(Unfit, match="row 2: column 'score' should hold numbers, not 'inf'"):
        open_source(write(tmp_path / "b.csv", "sentence1,sentence2,score\na,b,4.5\nc,d,inf\n"))


def test_pictures_that_metadata_lists_and_does_not(tmp_path: Path) -> None:
    table = b"file_name,text\n1.png,one\ngone.png,none\nsub/2.png,two\n"
    data = folder(
        tmp_path / "d",
        {"1.png": png(1), "sub/2.png": png(2), "3.png": png(3), "sub/4.png": png(4), "metadata.csv": table},
    )
    source = open_source(data)
    assert source.ids.tolist() == [0, 2] and "no file gone.png" in source.skipped[0].reason
    assert any(
        "2 pictures that the metadata do not list, left out; the first is 3.png" in line for line in source.messages
    )


def test_numbers_beside_one_column_of_sentences(tmp_path: Path) -> None:
    lines = "".join(f"{row},{random.Random(i).random()}\n" for i, row in enumerate(ROWS))
    source = open_source(write(tmp_path / "a.csv", "review,stars\n" + lines))
    assert words_of(source) == ROWS and any("text from 'review'; ignored: stars" in line for line in source.messages)
    with pytest.raises(Unfit, match="none of a known name"):
        open_source(write(tmp_path / "b.csv", "review,answer\n" + "".join(f"{row},{row}\n" for row in ROWS)))
