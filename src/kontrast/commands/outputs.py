"""Where a verb may write: a name that is free, or a file that a verb made. Never over data, a query, or a stranger.

Our files say so: pictures in their EXIF software, tables in their schema, vectors in the names beside them. Everything
is refused before any work; what is written is there whole or not at all.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kontrast import files
from kontrast.data.readers.files import extensions
from kontrast.errors import Unfit

MARK = "kontrast"
PAGE = b'name="generator" content="kontrast"'  # in the head of a page
SOFTWARE = 0x0131  # the EXIF tag
NAMES = ["row", "id", "name"]  # head of the table of names beside vectors


def claimed(flag: str, out: Path, inputs: Iterable[Any], ours: Callable[[Path], bool]) -> None:
    """Unfit where `out` may not be written.

    inputs  what the command reads, of which paths count: files, and folders that would have one picture more
    ours    whether a file that is there already was made by this verb
    """
    if not out.name or out.is_dir():
        raise Unfit(f"{flag} {out}: the name of a file was expected.")
    for given in inputs:
        if not isinstance(given, str | os.PathLike) or not os.path.exists(given):
            continue
        if out.exists() and os.path.samefile(out, given):
            raise Unfit(f"{flag}: {out} is what the command reads ({given}) and would be lost. Choose another name.")
        if Path(given).is_dir() and _inside(out, Path(given)) and _listed(out):
            raise Unfit(f"{flag}: {out} lies in {given} and would be read as a part of it. Choose another folder.")
    if os.path.lexists(out) and not (out.is_file() and ours(out)):
        raise Unfit(f"{flag}: {out} is there already, and kontrast did not make it. Choose another name, or remove it.")
    folder = out.absolute().parent
    if not folder.is_dir():
        raise Unfit(f"{flag} {out}: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unfit(f"{flag} {out} cannot be written: permission denied.")


def claim_folder(flag: str, out: Path) -> None:
    """Unfit where there is something already: a folder is never written into."""
    if out.exists() or out.is_symlink():
        raise Unfit(f"{flag} {out} exists already; give a folder that does not: nothing is overwritten.")


@contextmanager
def new_folder(flag: str, out: Path) -> Iterator[Path]:
    """A folder to write into, beside `out`; it takes that name at the end, and is gone after a failure."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as problem:
        raise Unfit(f"{flag} {out} cannot be made: {problem.strerror}.") from None
    try:
        yield place / out.name
        (place / out.name).rename(out)
    finally:
        shutil.rmtree(place)


def claim_picture(flag: str, out: Path, inputs: Iterable[Any]) -> None:
    """The same for a picture, whose ending must be one that pictures are written under."""
    Image.init()
    kind = Image.registered_extensions().get(out.suffix.lower(), "")
    try:
        Image.new("RGB", (1, 1)).save(io.BytesIO(), kind)
    except (KeyError, OSError, ValueError):
        raise Unfit(f"{flag} {out}: a picture needs an ending such as .png or .jpg.") from None
    claimed(flag, out, inputs, _our_picture)


def claim_vectors(flag: str, out: Path, inputs: Iterable[Any]) -> None:
    """The same for vectors and the table of names beside them."""
    if out.suffix not in (".npy", ".parquet"):
        raise Unfit(f"{flag} {out}: expected a name that ends in .npy or .parquet.")
    inputs = list(inputs)
    for each in (out, beside(out)) if out.suffix == ".npy" else (out,):
        claimed(flag, each, inputs, our_table if out.suffix == ".parquet" else _our_vectors)


def beside(out: Path) -> Path:
    """Where the names of vectors stand."""
    return out.with_suffix(".csv")


def write_picture(out: Path, picture: Image.Image) -> None:
    """Write a picture that says who made it, where its format can."""
    exif = Image.Exif()
    exif[SOFTWARE] = MARK
    with files.whole(out) as part:
        picture.save(part, exif=exif)


def claim_page(flag: str, out: Path, inputs: Iterable[Any]) -> None:
    """The same for a page, which says in its head who wrote it."""
    if out.suffix != ".html":
        raise Unfit(f"{flag} {out}: expected a name that ends in .html.")
    claimed(flag, out, inputs, _our_page)


def _our_page(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return PAGE in file.read(1000)
    except OSError:
        return False


def _listed(out: Path) -> bool:
    """Whether a file of this name counts in a folder of data: a picture, or the table beside pictures."""
    return out.suffix.lower() in extensions() or out.stem == "metadata"


def _inside(out: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(out)).parents


def _our_picture(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return bool(picture.getexif().get(SOFTWARE) == MARK)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _our_vectors(path: Path) -> bool:
    """Whether vectors and names lie beside each other as `embed` leaves them."""
    vectors, names = path.with_suffix(".npy"), beside(path)
    try:
        count = np.load(vectors, mmap_mode="r", allow_pickle=False).shape[0]
        with open(names, newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = csv.reader(file)
            return next(rows) == NAMES and all(row[:1] == [str(at)] for at, row in enumerate(rows)) and count >= 0
    except (OSError, ValueError, StopIteration, csv.Error, IndexError, EOFError):
        return False


def our_table(path: Path) -> bool:
    """Whether a Parquet file says that `embed` wrote it."""
    try:
        import pyarrow.parquet as pq

        return MARK.encode() in (pq.read_schema(path).metadata or {})
    except (ImportError, OSError, ValueError):
        return False
