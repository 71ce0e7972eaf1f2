r"""Text files of rows: .txt, .csv, .tsv and .jsonl, as columns.

A line ends at \n, \r\n or \r and nowhere else: what Unicode calls a line (U+2028, a form feed) may stand inside a
sentence. Fields in double quotes are read as the csv module does. Between tabs quotation marks are text, unless the
whole file makes sense with quoting: see `quoted`.
"""

from __future__ import annotations

import ast
import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from kontrast.data.readers.files import is_file
from kontrast.data.readers.tables import Table, named_once
from kontrast.errors import Unfit

SEPARATORS = ",;\t|"
_LINE_END = re.compile(r"\r\n|\n|\r")
_TAB_FIELD = re.compile(r'(?:"((?:[^"]|"")*+)"|([^"\t\r\n]*))(\t|\r\n|\n|\r|\Z)')
_LITERAL = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|None|null|nan|True|False|[-+]?[\d.]+(?:e[-+]?\d+)?""", re.S
)
_ESCAPE = re.compile(r"\\(?:[abfnrtv\\'\"0-7]|x[0-9a-f]{2}|u[0-9a-f]{4}|U000[0-9a-f]{5})")
_GAP = re.compile(r"\s*(?:,\s*|\s+)")


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends; what follows the last end is a line if it is not empty."""
    lines = _LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


def sentences(path: Path, text: str) -> Table:
    """A sentence a line; its id is the number of its line, from 0. Blank lines are nobody's."""
    lines = lines_of(text)
    while lines and not lines[-1].strip():
        lines.pop()
    blank = tuple(number for number, line in enumerate(lines) if not line.strip())
    messages = (f"{len(blank):,} blank lines left out, the first is line {blank[0] + 1:,}",) if blank else ()
    return Table(path, {"text": lines}, len(lines), messages, blank=blank)


def separated(path: Path, text: str, known: frozenset[str]) -> Table:
    """Fields between separators: the one that splits the header into most of them, in a .tsv the tab."""
    first = next((line for line in lines_of(text) if line.strip()), None)
    if first is None:
        raise Unfit(f"{path} is empty.")
    with _long_fields(len(text)):
        separator = "\t" if path.suffix.lower() == ".tsv" else max(SEPARATORS, key=lambda s: len(_fields(first, s)))
        quoting, rows = _quoting_and_rows(path, text, separator)
    head = [cell.strip() for cell in rows[0]]
    messages = [] if separator in ",\t" else [f"fields separated by {separator!r}"]
    if quoting == csv.QUOTE_NONE and '"' in text:
        messages.append("quotation marks are part of the text: the file is not quoted throughout")
    if _is_header(head, known, path.parent):
        rows = rows[1:]
    else:
        head = [f"column{place + 1}" for place in range(len(head))]
        messages.append(f"no header: columns called {', '.join(head)}")
    named_once(path, head)
    columns = {name: _as_lists([row[place] for row in rows]) for place, name in enumerate(head)}
    return Table(path, columns, len(rows), tuple(messages))


def _quoting_and_rows(path: Path, text: str, separator: str) -> tuple[int, list[list[str]]]:
    if separator != "\t" or '"' not in text:
        return csv.QUOTE_MINIMAL, _rows(path, text, separator, csv.QUOTE_MINIMAL)
    ways: list[Literal[0, 3]] = [csv.QUOTE_MINIMAL, csv.QUOTE_NONE]
    if not quoted(text):
        ways.reverse()
    try:
        return ways[0], _rows(path, text, separator, ways[0])
    except Unfit as problem:
        try:
            return ways[1], _rows(path, text, separator, ways[1])
        except Unfit:
            raise problem from None


def _rows(path: Path, text: str, separator: str, quoting: Literal[0, 3]) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, quoting=quoting)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise Unfit(
                    f"{path} line {reader.line_num:,} has {len(row)} fields where the first has {len(rows[0])}; "
                    f"put text that holds {separator!r} in double quotes."
                )
            rows.append(row)
    except csv.Error as error:
        raise Unfit(f"{path} line {reader.line_num:,} cannot be read as a table ({error}).") from None
    return rows


def quoted(text: str) -> bool:
    """Whether double quotes enclose fields of a file between tabs.

    They do if the whole file parses so, every row as long as the first, and if somebody's rule put them there: around
    all of a column, or around the fields that need it (or hold a comma, as spreadsheets do it). Where every line is a
    whole row as it stands, fields of several lines are none, unless their column or doubled marks inside say so.
    """
    rows = _tab_rows(text)
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        return False
    partly = [column for column in zip(*rows) if None in column]
    several = [inside for column in partly for inside in column if inside and _LINE_END.search(inside)]
    if several and not any('""' in inside for inside in several):
        lines = [line for line in lines_of(text) if line]
        if all(line.count("\t") == len(rows[0]) - 1 for line in lines):
            return False
    some = [column for column in zip(*(rows[1:] or rows)) if None in column]
    return all(re.search(r'["\t\r\n,]', inside) for column in some for inside in column if inside)


def _tab_rows(text: str) -> list[list[str | None]] | None:
    """Per row what is inside the quotes of each field, None for words without quotes, "" for nothing at all.

    None where the text does not parse: a quotation mark inside words, or one that is never closed.
    """
    rows: list[list[str | None]] = []
    row: list[str | None] = []
    at = 0
    while at < len(text) or row:
        field = _TAB_FIELD.match(text, at)
        if field is None:
            return None
        at = field.end()
        row.append(None if field[2] else field[1] or "")
        if field[3] != "\t":
            if len(row) > 1 or field[2] or field[1] is not None:  # else a blank line
                rows.append(row)
            row = []
    return rows


@contextmanager
def _long_fields(letters: int) -> Iterator[None]:
    """Inside, the csv module takes fields of any length that the text can hold; its own limit is 131,072."""
    before = csv.field_size_limit(max(csv.field_size_limit(), letters + 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator))


def _is_header(head: Sequence[str], known: frozenset[str], folder: Path) -> bool:
    """A first row with a known name is a header; one that names an existing file, or is one sentence, is not."""
    if any(cell.lower() in known for cell in head):
        return True
    if any(cell and is_file(folder / cell) for cell in head):
        return False
    return len(head) > 1 or " " not in head[0]


def json_lines(path: Path, text: str) -> Table:
    """A JSON object a line."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except RecursionError:
            raise Unfit(
                f"{path} line {number:,} is JSON inside JSON too deep to be read; write flat objects."
            ) from None
        except KeyError as twice:
            raise Unfit(f"{path} line {number:,} has two values called {twice.args[0]!r}; rename one.") from None
        except ValueError:
            raise Unfit(f"{path} line {number:,} is not JSON; each line must be one object.") from None
        if not isinstance(row, dict):
            raise Unfit(f'{path} line {number:,} is not a JSON object such as {{"text": "..."}}.')
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, len(rows))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        raise KeyError(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return found


def _as_lists(values: list[str]) -> list[Any]:
    """The values, or, where every one is a list as Python, NumPy or JSON prints it, those lists."""
    full = [value for value in values if value.strip()]
    if not full or full[0].strip()[0] not in "[(":
        return list(values)
    lists = [_list(value.strip()) for value in values if value.strip()]
    if any(found is None for found in lists):
        return list(values)
    rest = iter(lists)
    return [next(rest) if value.strip() else None for value in values]


def _list(text: str) -> list[Any] | None:
    """A list of words or numbers as Python, NumPy or JSON prints it: `['a', "b"]`, `['a' 'b']`, `("a", None)`.

    None for other text.
    """
    if text[:1] + text[-1:] not in ("[]", "()") or (text[0] == "(" and "," not in text):
        return None
    try:
        found = json.loads(text)
        return found if all(isinstance(value, str | int | float | None) for value in found) else None
    except (ValueError, RecursionError):
        pass
    inner, at, items = text[1:-1].strip(), 0, []
    while at < len(inner):
        literal = _LITERAL.match(inner, at)
        if literal is None:
            return None
        gap = _GAP.match(inner, literal.end())
        if gap is None and literal.end() < len(inner):
            return None
        at = literal.end() if gap is None else gap.end()
        items.append(_literal(literal[0]))
    return items


def _literal(word: str) -> Any:
    if word in ("None", "null", "nan"):
        return None
    if word[0] in "'\"":
        return _ESCAPE.sub(lambda found: ast.literal_eval(f"'{found[0]}'"), word[1:-1])
    try:
        return float(word)
    except ValueError:
        return word


def text_of(path: Path) -> str:
    """The file as text, its byte-order mark removed."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unfit(f"{path} cannot be read ({error.strerror}).") from None
    wide = next((name for mark, name in _WIDE if raw.startswith(mark)), None)
    try:
        text = raw.decode(wide or "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide is not None:
            line = len(lines_of(raw[: error.start].decode(wide, "replace"))) or 1
            raise Unfit(f"{path} is cut or broken {wide.upper()}: see line {line:,}; save it as UTF-8.") from None
        line = raw[: error.start].count(b"\n") + 1
        mixed = any(byte >= 0xC0 for byte in raw[: error.start])
        what = "mixes encodings: UTF-8 before, but not in" if mixed else "is not UTF-8: see"
        raise Unfit(f"{path} {what} line {line:,} (byte 0x{raw[error.start]:02x}); save it as UTF-8.") from None
    if "\0" in text:
        raise Unfit(
            f"{path} is not a text file (line {text[: text.index(chr(0))].count(chr(10)) + 1:,} holds a zero byte)."
        )
    return text


_WIDE = (  # the mark of UTF-32 begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
