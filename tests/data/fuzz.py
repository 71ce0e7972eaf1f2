"""Data that go wrong in every way there is, by number: `case(seed, folder)` is the same for ever.

Each is what `open_source` is given, and what must come of it where that is known: the words by row, or the pixels.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tests.data.hostile import deep_png, encoded, pixels
from tests.data.tiff import tiff

WORDS = (
    "a",
    "thing",
    'say "so"',
    '"',
    '5" disk',
    "naïve",
    "漢字",
    "🙂",
    "\u2028",
    "\x85",
    "\x0c",
    "x,y",
    "a;b",
    "|",
    "'",
    "\\",
    "[",
    "{}",
    "nan",
    "None",
    "-1",
    "1.0",
    "<NA>",
    "=1+1",
    "\x1b[31m",
    "\u202e",
    "#",
    "  ",
    "/etc/passwd",
    "a" * 300,
)
TABLES = (".txt", ".csv", ".tsv", ".jsonl", ".parquet", ".npy")
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "ICO", "JPEG2000", "SGI", "PCX", "DDS")


@dataclass
class Case:
    """data and keyword arguments for `open_source`; texts and pixels: what the usable samples are, by id."""

    kind: str
    data: Any
    how: dict[str, Any]
    texts: dict[int, str] | None = None
    pixels: dict[int, npt.NDArray[Any]] | None = None
    must_read: bool = False


def case(seed: int, folder: Path) -> Case:
    """The case of this number, its files written into the folder."""
    random_of = random.Random(seed)
    made: Case = KINDS[seed % len(KINDS)](random_of, folder)
    return made


def sentence(r: random.Random) -> str:
    """A few words, of which some are traps."""
    return " ".join(r.choice(WORDS) if r.random() < 0.4 else "word" for _ in range(r.randint(1, 6)))


def noise(r: random.Random, folder: Path) -> Case:
    """Bytes that are nothing, under every ending."""
    path = folder / f"a{r.choice([*TABLES, '.png', '.tif', '.jpg', '.gif', '.webp'])}"
    starts = [
        b"",
        b"PAR1",
        b"\xff\xfe",
        b"\xff\xfe\0\0",
        b"\xef\xbb\xbf",
        b"\x93NUMPY\x01\0",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0",
        b"{",
        b"text\n",
        b"PK",
    ]
    path.write_bytes(r.choice(starts) + r.randbytes(r.choice([0, 1, 7, 300])))
    return Case("noise", path, {})


def _whole(r: random.Random, ending: str) -> bytes:
    rows = [(f"{sentence(r)} {i}", i % 3) for i in range(6)]
    if ending == ".jsonl":
        return "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows).encode()
    if ending == ".txt":
        return "\n".join(text for text, _ in rows).encode(r.choice(["utf-8", "utf-16", "utf-32", "utf-8-sig"]))
    if ending == ".npy":
        file = io.BytesIO()
        np.save(file, np.zeros((3, 4, 4), r.choice([np.uint8, np.uint16, np.float32, bool])))
        return file.getvalue()
    if ending == ".parquet":
        import pyarrow as arrow
        from pyarrow import parquet

        file = io.BytesIO()
        parquet.write_table(
            arrow.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]}), file
        )
        return file.getvalue()
    text = io.StringIO()
    csv.writer(text, delimiter="\t" if ending == ".tsv" else ",").writerows([("text", "label"), *rows])
    return text.getvalue().encode()


def damaged_table(r: random.Random, folder: Path) -> Case:
    """A table that was cut, or in which bytes were changed."""
    ending = r.choice(TABLES)
    raw = bytearray(_whole(r, ending))
    if r.random() < 0.5:
        raw = raw[: r.randrange(len(raw))]
    for _ in range(r.choice([0, 1, 3]) if raw else 0):
        raw[r.randrange(len(raw))] = r.choice([0, 10, 13, 34, 44, 128, 255, r.randrange(256)])
    (folder / f"a{ending}").write_bytes(raw)
    return Case("damaged table", folder / f"a{ending}", {})


def mixed_encodings(r: random.Random, folder: Path) -> Case:
    """Lines of several encodings in one file."""
    ending = r.choice([".txt", ".csv", ".tsv", ".jsonl"])
    lines = [
        json.dumps({"text": "naïve é " + sentence(r)}, ensure_ascii=False) if ending == ".jsonl" else "é " + sentence(r)
        for _ in range(5)
    ]
    raw = b"\n".join(
        line.encode(r.choice(["utf-8", "latin-1", "utf-16", "cp1252", "shift-jis"]), "replace") for line in lines
    )
    (folder / f"a{ending}").write_bytes(raw)
    return Case("mixed encodings", folder / f"a{ending}", {})


def quoted_rows(r: random.Random, folder: Path) -> Case:
    """A table that the csv module wrote in some dialect: its rows come back."""
    separator = r.choice([",", ";", "\t", "|"])
    rows = [(f"x{sentence(r)}{i}", f"y{sentence(r)}{i}") for i in range(r.randint(1, 8))]
    how = csv.QUOTE_ALL if separator == "\t" else r.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=how, lineterminator=r.choice(["\n", "\r\n", "\r"])).writerows(
        [("anchor", "positive"), *rows]
    )
    path = folder / r.choice(["a.tsv" if separator == "\t" else "a.csv"])
    path.write_bytes(text.getvalue().encode(r.choice(["utf-8", "utf-8-sig", "utf-16"])))
    return Case("quoted rows", path, {}, texts={i: a for i, (a, _) in enumerate(rows)}, must_read=True)


def bare_rows(r: random.Random, folder: Path) -> Case:
    """Rows between tabs without any quoting: every mark in them is text."""
    rows = [f"{r.choice(['', chr(34)])}x{sentence(r)}{i}{r.choice(['', chr(34)])}" for i in range(r.randint(2, 8))]
    rows.append(f'{r.choice(WORDS)} 5" disk')  # no rule of quoting writes this
    end = r.choice(["\n", "\r\n", "\r"])
    (folder / "a.tsv").write_bytes(end.join(["text\tid", *(f"{row}\t{i}" for i, row in enumerate(rows))]).encode())
    return Case("bare rows", folder / "a.tsv", {}, texts={i: row.strip() for i, row in enumerate(rows)}, must_read=True)


def json_rows(r: random.Random, folder: Path) -> Case:
    """Objects of odd values: deep, huge, double, half letters, of other types."""
    odd: list[Callable[[], str]] = [
        lambda: "[" * (n := r.choice([5, 2_000, 200_000])) + "]" * n,
        lambda: '{"a":' * 50_000 + "1" + "}" * 50_000,
        lambda: "9" * 5_000,
        lambda: "1e999",
        lambda: "NaN",
        lambda: "null",
        lambda: '"\\ud83d"',
        lambda: '"\\u0000"',
        lambda: "true",
        lambda: '["a", null]',
        lambda: '{"path": "x.png"}',
        lambda: '"' + "w " * 100_000 + '"',
        lambda: '"a", "text": "b"',
        lambda: "",
    ]
    key = r.choice(["text", "label", "image", "captions", "score", "split", "\x1b[31m", "\ud83d", ""])
    lines = [f'{{"text": {json.dumps(f"row {i}")}, {json.dumps(key)}: {r.choice(odd)()}}}' for i in range(4)]
    (folder / "a.jsonl").write_text("\n".join(lines))
    return Case("json rows", folder / "a.jsonl", {"labels": key} if r.random() < 0.2 else {})


def parquet_types(r: random.Random, folder: Path) -> Case:
    """A column of sentences beside columns of types that nobody expects: the sentences are read."""
    import pyarrow as arrow
    from pyarrow import parquet

    makers: list[Callable[[], Any]] = [
        lambda: arrow.nulls(4),
        lambda: arrow.array([1, None, 2**62, -1], arrow.timestamp("ns")),
        lambda: arrow.array([1, 2, 3, 4], arrow.date64()),
        lambda: arrow.array([b"\xff", None, b"", b"x"], arrow.binary()),
        lambda: arrow.array([[1], [], None, [2, 3]]),
        lambda: arrow.array([{"a": 1}, None, {"a": None}, {"a": 2}]),
        lambda: arrow.array([1.0, float("nan"), float("inf"), None]),
        lambda: arrow.array(["1.5", None, "2.5", "9.9"]).cast(arrow.decimal128(9, 3)),
        lambda: arrow.array([True, None, False, True]),
        lambda: arrow.array([[("k", 1)], [], None, [("q", 2)]], arrow.map_(arrow.string(), arrow.int8())),
        lambda: arrow.array(["a", "b", None, "a"]).dictionary_encode(),
        lambda: arrow.array([1, 2, None, 4], arrow.duration("ns")),
        lambda: arrow.array([b"fine", b"caf\xe9", None, b""], arrow.binary()).cast(arrow.string(), safe=False),
        lambda: arrow.array([b"abcd"] * 4, arrow.binary(4)),
        lambda: arrow.array([[[1]], [], None, [[2], [3]]]),
        lambda: arrow.array([1, 2, 3, 4], arrow.time64("ns")),
    ]
    texts = [f"a row {sentence(r)} {i}" for i in range(4)]
    kinds = [arrow.string(), arrow.large_string()]
    names = r.sample(["label", "class", "note", "score", "id", "\x1b[1m", "q" * 300], 3)
    columns = {"text": arrow.array(texts, r.choice(kinds)), **{name: r.choice(makers)() for name in names}}
    parquet.write_table(arrow.table(columns), folder / "a.parquet")
    return Case(
        "parquet types",
        folder / "a.parquet",
        {},
        texts={i: text.strip() for i, text in enumerate(texts)},
        must_read=True,
    )


def damaged_pictures(r: random.Random, folder: Path) -> Case:
    """A whole picture, and others of many formats that were cut or changed."""
    (folder / "00.png").write_bytes(encoded(Image.fromarray(pixels(12, 10))))
    for i in range(1, 6):
        raw = bytearray(_picture(r)[1])
        if r.random() < 0.5:
            raw = raw[: r.randrange(len(raw))]
        for _ in range(r.choice([1, 1, 4])):
            if raw:
                raw[r.randrange(min(len(raw), 200))] = r.choice([0, 1, 255, r.randrange(256)])
        (folder / f"{i:02}.{r.choice(['png', 'jpg', 'tif', 'gif', 'webp'])}").write_bytes(raw)
    return Case("damaged pictures", folder, {}, pixels={0: pixels(12, 10).transpose(2, 0, 1)}, must_read=True)


def _picture(r: random.Random) -> tuple[npt.NDArray[Any] | None, bytes]:
    """(the values (H, W, C) if the file must hold them exactly, its bytes)."""
    seed = r.randrange(1000)
    if r.random() < 0.4:
        rng = np.random.default_rng(seed)
        deep = rng.integers(0, 65536, (5, 6, 3)).astype(np.uint16)
        order, deflate = r.choice("<>"), r.random() < 0.5
        return r.choice([(deep, deep_png(deep)), (deep, tiff(deep, order=order, deflate=deflate))])
    form, mode = (
        r.choice(FORMATS),
        r.choice(
            ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16", "F", "I", "YCbCr", "PA", "La", "RGBa", "LAB", "HSV"]
        ),
    )
    colour = pixels(6, 7, 3, seed)
    try:
        picture = Image.fromarray(colour)
        picture = picture.convert("L").convert(mode) if mode in ("I;16", "F", "I") else picture.convert(mode)
        raw = encoded(picture, form)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return colour, encoded(Image.fromarray(colour))
    return (colour if mode == "RGB" and form in ("PNG", "BMP", "TIFF", "PPM", "SGI", "PCX", "TGA") else None), raw


def odd_pictures(r: random.Random, folder: Path) -> Case:
    """Whole pictures of every mode and format: exact where the format is, whatever stands beside them."""
    value, raw = _picture(r)
    (folder / "a.img.png").write_bytes(raw)
    return Case(
        "odd pictures",
        folder,
        {},
        pixels=None if value is None else {0: value.transpose(2, 0, 1)},
        must_read=value is not None,
    )


def arrays(r: random.Random, folder: Path) -> Case:
    """Arrays of any type, layout and values; small whole numbers come back as they are."""
    rng = np.random.default_rng(r.randrange(1000))
    shape = r.choice(
        [(3, 4, 5), (3, 4, 5, 3), (3, 3, 4, 5), (3, 4, 5, 1), (2, 4, 5, 4), (3, 4), (0, 4, 4), (2, 2, 2, 2, 2), ()]
    )
    kind = r.choice(["u1", "u2", ">u2", "i8", ">i4", "f2", "f4", "f8", "?", "c8", "U2", "O", "M8[s]", "S3", "i1"])
    small = rng.integers(0, 100, shape)
    array = small.astype(kind)
    array = r.choice(
        [np.asfortranarray, lambda a: a[..., ::-1] if a.ndim else a, np.array, list if array.ndim else np.array]
    )(array)
    exact = kind in ("u1", "u2", ">u2", "i8", ">i4", "i1") and shape in [(3, 4, 5), (3, 4, 5, 3), (3, 4, 5, 1)]
    values = np.stack([np.asarray(each) for each in array]).astype(np.int64) if exact else None
    known = None
    if values is not None:
        known = {i: each[None] if each.ndim == 2 else each.transpose(2, 0, 1) for i, each in enumerate(values)}
    return Case("arrays", array, {}, pixels=known, must_read=exact)


def lists(r: random.Random, folder: Path) -> Case:
    """Lists of anything at all."""
    things: list[Any] = [
        "words here",
        None,
        float("nan"),
        3,
        b"bytes",
        "\ud83d",
        "",
        Path("x.png"),
        np.zeros((4, 4), np.uint8),
        {"text": "a"},
        ("a", "b"),
        Image.new("RGB", (4, 4)),
        np.zeros(3),
        [],
        "a" * 5000,
        "\0",
        object(),
        np.str_("numpy words"),
    ]
    few = r.sample(things, r.randint(1, 3))
    return Case(
        "lists",
        [r.choice(few) for _ in range(r.randint(0, 5))],
        {"labels": r.choice([None, [1, 2], "text", ["a"] * 3])},
    )


def folders(r: random.Random, folder: Path) -> Case:
    """Trees with splits, strays, links, pipes and names that are no text."""
    tops = r.sample([b"train", b"Test", b"val", b"cat", b"caf\xe9", b"\x1b[31m", b"train2017", b".hidden", b"a\nb"], 3)
    for top in tops:
        os.makedirs(os.path.join(os.fsencode(folder), top, b"sub"))
        for i in range(r.randint(0, 3)):
            name = r.choice([b"%d.png", b"sub/%d.png", b"\xff%d.png", b"%d.jpg", b"%d.txt", b"%d"]) % i
            Path(os.fsdecode(os.path.join(os.fsencode(folder), top, name))).write_bytes(
                encoded(Image.fromarray(pixels(6, 6, 3, i)))
            )
    for i in range(r.randint(0, 3)):
        target = r.choice(
            [folder, folder.parent, Path("nowhere"), folder / os.fsdecode(tops[0]), folder / f"link{i}.png"]
        )
        os.symlink(target, folder / f"link{i}{r.choice(['', '.png'])}")
    if r.random() < 0.3:
        os.mkfifo(folder / "pipe.png")
    if r.random() < 0.3:
        (folder / "metadata.csv").write_text(
            r.choice(["file_name,text\ntrain/0.png,a b\n", "file_name\n", "", "a,b\n1,2\n", '"'])
        )
    how = {
        "labels": r.choice([None, "folder", "species"]),
        "split": r.choice([None, None, "train", "TEST"]),
        "follow_links": r.random() < 0.5,
    }
    return Case("folders", folder, how)


KINDS = (
    noise,
    damaged_table,
    mixed_encodings,
    quoted_rows,
    bare_rows,
    json_rows,
    parquet_types,
    damaged_pictures,
    odd_pictures,
    arrays,
    lists,
    folders,
)
