"""An index on disk: vectors in shards, and what each row is beside them.

    index.json               what was embedded, by which model, how it is cut
    vectors/00000.npy        unit vectors, (rows, width) float32 or float16
    items/00000.parquet      row by row: id, name, content (a digest), thumbnail, and the data's own columns
    seals/00000.json         digests of both files and of what they were made of; written last, it makes the shard
    claims/                  who makes which shard at the moment
    verified.json            sizes and times of the files whose digests were last seen to be right

Each file is written under another name and renamed: there is no half of one.

Shapes: N rows of the index, D width.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kontrast.errors import Unfit

VERSION = 1
PARTS = ("vectors", "items", "seals", "claims")
Rows = npt.NDArray[Any]


class Bank(Protocol):
    """Unit vectors that are read by slices: an array, or those of an index."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class Meta:
    """What `index.json` says.

    model, weights  the folder of the model, and a digest of its files
    data            what was embedded; options  how it was read (split, labels, columns, same)
    rows, width     N and D;  shard  rows of a shard, of the last one fewer
    dtype           float32 or float16;  threads  of each maker: their number is part of the last bits
    thumbnail       pixels of the longer side of the stored pictures; 0: none
    text            the role of the words that were embedded; "" of pictures
    """

    model: str
    weights: str
    data: str
    rows: int
    width: int
    shard: int
    dtype: str
    threads: int
    thumbnail: int
    text: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    version: int = VERSION

    @property
    def shards(self) -> int:
        return -(-self.rows // self.shard)

    def span(self, number: int) -> range:
        """The rows of a shard."""
        return range(number * self.shard, min(self.rows, (number + 1) * self.shard))


class Index:
    """An index that is whole: its rows by slices, its items by column."""

    def __init__(self, folder: Path, meta: Meta) -> None:
        self.folder, self.meta = folder, meta

    @classmethod
    def open(cls, folder: str | Path) -> Index:
        """Unfit where there is none, or where shards are missing, cut or altered: they are named."""
        folder = Path(folder)
        meta = read_meta(folder)
        bad = unsound(folder, meta)
        if bad:
            raise Unfit(
                f"{folder} is not whole: {len(bad):,} of {meta.shards:,} shards are missing, cut or altered; the first "
                f"is {bad[0]:05d}. Make them again: kontrast index {meta.model} {meta.data} --out {folder}"
            )
        return cls(folder, meta)

    def __len__(self) -> int:
        return self.meta.rows

    @property
    def vectors(self) -> Matrix:
        """The unit vectors, read from the disk where they are asked for."""
        return Matrix([place(self.folder, "vectors", n) for n in range(self.meta.shards)], self.meta)

    @cached_property
    def items(self) -> Any:
        """All items but their thumbnails, a pyarrow table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = [place(self.folder, "items", n) for n in range(self.meta.shards)]
        names = [name for name in pq.read_schema(files[0]).names if name != "thumbnail"]
        return pa.concat_tables([pq.read_table(file, columns=names) for file in files], promote_options="permissive")

    @property
    def mark(self) -> str:
        """A digest of all that the index holds: what was computed from it is kept under this name."""
        seals = [place(self.folder, "seals", number).read_bytes() for number in range(self.meta.shards)]
        return digest(repr(self.meta).encode() + b"".join(seals))

    @property
    def columns(self) -> list[str]:
        """What is known of each row."""
        names: list[str] = self.items.column_names
        return names

    def column(self, name: str) -> list[Any]:
        """The values of one column, row by row. Unfit where there is none of this name."""
        if name not in self.columns:
            raise Unfit(f"{self.folder} has no column {name!r}; it has {', '.join(self.columns)}.")
        values: list[Any] = self.items.column(name).to_pylist()
        return values

    def called(self, rows: Sequence[int] | Rows) -> list[str]:
        """What these rows are called: the sentence itself, else the name of the file or row."""
        column = "text" if self.meta.text and "text" in self.columns else "name"
        return [str(value) for value in self.items.column(column).take(np.asarray(rows, dtype=np.int64)).to_pylist()]

    def thumbnails(self, rows: Sequence[int] | Rows) -> list[bytes]:
        """The stored pictures of these rows, encoded; b"" where there is none."""
        import pyarrow.parquet as pq

        wanted = np.asarray(rows, dtype=np.int64)
        found: dict[int, bytes] = {}
        if self.meta.thumbnail:
            for number in np.unique(wanted // self.meta.shard).tolist():
                column = pq.read_table(place(self.folder, "items", number), columns=["thumbnail"]).column(0)
                mine = wanted[wanted // self.meta.shard == number].tolist()
                found |= {row: column[row - number * self.meta.shard].as_py() or b"" for row in mine}
        return [found.get(row, b"") for row in wanted.tolist()]


class Matrix:
    """Shards as one (N, D) array that is read by slices: what `evaluate.knn.neighbours` takes for a bank."""

    ndim = 2

    def __init__(self, files: Sequence[Path], meta: Meta) -> None:
        self.files, self.meta, self.shape = list(files), meta, (meta.rows, meta.width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> npt.NDArray[np.float32]:
        """A copy of the rows start:stop, float32."""
        start, stop, _ = rows.indices(len(self))
        out = np.empty((max(0, stop - start), self.shape[1]), np.float32)
        done = start
        while done < stop:
            number, first = divmod(done, self.meta.shard)
            part = np.load(self.files[number], mmap_mode="r")[first : first + stop - done]
            out[done - start : done - start + len(part)] = part
            done += len(part)
        return out

    def take(self, rows: Sequence[int] | Rows) -> npt.NDArray[np.float32]:
        """These rows, in their order, float32."""
        wanted = np.asarray(rows, dtype=np.int64)
        out = np.empty((len(wanted), self.shape[1]), np.float32)
        for number in np.unique(wanted // self.meta.shard).tolist():
            mine = wanted // self.meta.shard == number
            out[mine] = np.load(self.files[number], mmap_mode="r")[wanted[mine] - number * self.meta.shard]
        return out


def place(folder: Path, part: str, number: int) -> Path:
    """A file of a shard."""
    ending = {"vectors": ".npy", "items": ".parquet", "seals": ".json", "claims": ""}[part]
    return folder / part / f"{number:05d}{ending}"


def read_meta(folder: Path) -> Meta:
    """What `index.json` says; Unfit where it is none of ours."""
    try:
        return Meta(**json.loads((folder / "index.json").read_text()))
    except (FileNotFoundError, NotADirectoryError):
        raise Unfit(
            f"{folder} holds no index (no index.json). Make one: kontrast index RUN DATA --out {folder}"
        ) from None
    except (OSError, ValueError, TypeError) as problem:
        raise Unfit(f"{folder / 'index.json'} cannot be read: {problem}") from None


def is_index(folder: str | Path) -> bool:
    """Whether a folder looks like an index."""
    return (Path(folder) / "index.json").is_file()


def write_meta(folder: Path, meta: Meta) -> None:
    """Write `index.json` and the folders that it speaks of."""
    for part in PARTS:
        (folder / part).mkdir(parents=True, exist_ok=True)
    put(folder / "index.json", json.dumps(asdict(meta), indent=2, sort_keys=True).encode() + b"\n")


def put(path: Path, content: bytes) -> None:
    """Write a file under a name of this process's own, then rename it: makers of one shard do not meet."""
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def digest(content: bytes) -> str:
    """128 bits of a file's content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def seal_of(folder: Path, number: int) -> dict[str, str]:
    """What a shard says of itself; empty where it is not made."""
    try:
        seal = json.loads(place(folder, "seals", number).read_bytes())
        return seal if isinstance(seal, dict) else {}
    except (OSError, ValueError):
        return {}


def sound(folder: Path, number: int, part: str, seal: dict[str, str]) -> bool:
    """Whether a file of a shard is, to the byte, what its seal says."""
    try:
        return digest(place(folder, part, number).read_bytes()) == seal.get(part)
    except OSError:
        return False


def unsound(folder: Path, meta: Meta) -> list[int]:
    """Shards that are missing, cut or altered. Files that are as they were when last verified are not read again."""
    try:
        known = json.loads((folder / "verified.json").read_bytes())
    except (OSError, ValueError):
        known = {}
    seen: dict[str, Any] = {}
    bad = []
    for number in range(meta.shards):
        marks = _marks(folder, number)
        if marks is not None and known.get(str(number)) == marks:
            seen[str(number)] = marks
            continue
        seal = seal_of(folder, number)
        if marks and all(sound(folder, number, part, seal) for part in ("vectors", "items")):
            seen[str(number)] = marks
        else:
            bad.append(number)
    if seen != known:
        with suppress(OSError):  # of somebody else's folder
            put(folder / "verified.json", json.dumps(seen).encode())
    return bad


def _marks(folder: Path, number: int) -> list[int] | None:
    """Size and time of each file of a shard; None where one is missing."""
    try:
        stats = [place(folder, part, number).stat() for part in ("vectors", "items", "seals")]
    except OSError:
        return None
    return [mark for stat in stats for mark in (stat.st_size, stat.st_mtime_ns)]
