"""A table: named columns of equal length, out of a file or out of Python. What they mean is decided in `columns`.

Nothing is guessed silently: a file that is not UTF-8 (or UTF-16 or UTF-32 with its mark) is refused with the line at
fault, a row of another length than the header is an error, and no two columns have one name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kontrast.errors import Unfit

ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    path      the file; of Python's own data what they are
    classes   label names that the file itself declares, by column
    blank     rows that hold nothing and are nobody's samples
    in_python the table never was a file, so names of pictures in it may lie anywhere
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    rows: int
    messages: tuple[str, ...] = ()
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    blank: tuple[int, ...] = ()
    in_python: bool = False

    @property
    def folder(self) -> Path | None:
        """Where the files that it names lie, links resolved; None: anywhere."""
        return None if self.in_python else self.path.parent.resolve()


def named_once(path: Path, names: Sequence[str]) -> None:
    """Unfit where two columns have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Unfit(f"{path} has two columns called {twice[0]!r}; rename one.")
