"""Making an index: the samples of a source, embedded shard by shard, by any number of makers at once.

Makers need not know each other: whoever claims a shard makes it. A shard whose samples, model and bytes are as they
should be is left alone, so the same call finishes an index that was interrupted, appends to one whose data have grown,
and makes anew what has changed, was cut or was altered.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from kontrast import progress
from kontrast.errors import Unfit
from kontrast.vector_index.claims import Claim, swept
from kontrast.vector_index.layout import PARTS, Index, Meta, place, read_meta, seal_of, write_meta
from kontrast.vector_index.shards import Wanted, fresh, make

SHARD = 4096  # rows: small enough to lose, large enough that a million rows are 250 shards
WAIT = 0.2  # seconds between looks at shards that others make
DTYPES = ("float32", "float16")
FIXED = ("model", "data", "options", "dtype", "width", "thumbnail", "shard", "text")  # of an index, for ever


@dataclass(frozen=True)
class Made:
    """The shards that a call made, by number; of them those that were there, and had changed or were damaged."""

    index: Index
    made: tuple[int, ...]
    remade: tuple[int, ...]


def meta_of(wanted: Wanted, *, model: Path, data: str, width: int, dtype: str, thumbnail: int, **more: Any) -> Meta:
    """The head of an index. Unfit for a type of numbers that it cannot hold, or for no samples."""
    if dtype not in DTYPES:
        raise Unfit(f"--dtype {dtype!r}: {' or '.join(DTYPES)} was expected.")
    if thumbnail < 0 or thumbnail > 512:
        raise Unfit(f"--thumbnail {thumbnail}: 0 (none) to 512 pixels were expected.")
    rows = len(wanted.source.ids)
    if not rows:
        raise Unfit(f"{wanted.source.name} holds no usable sample to index.")
    side = thumbnail if wanted.source.pictures is not None else 0
    fixed: dict[str, Any] = {"shard": SHARD, "threads": torch.get_num_threads(), **more}
    known: dict[str, Any] = {
        "model": str(model.resolve()),
        "weights": weights_of(model),
        "data": data,
        "text": wanted.text,
    }
    return Meta(rows=rows, width=width, dtype=dtype, thumbnail=side, **known, **fixed)


def build(folder: Path, meta: Meta, wanted: Wanted) -> Made:
    """Make what is missing, changed or damaged, wait for the shards that others make, and open the index."""
    meta = _begun(folder, meta)
    there = {n for n in range(meta.shards) if seal_of(folder, n)}
    threads = torch.get_num_threads()
    torch.set_num_threads(meta.threads)
    try:
        made = _made(folder, meta, wanted)
    finally:
        torch.set_num_threads(threads)
    swept(folder)
    return Made(Index.open(folder), tuple(sorted(made)), tuple(sorted(there & made)))


def _made(folder: Path, meta: Meta, wanted: Wanted) -> set[int]:
    """The shards that this maker made. It goes round from a place of its own, so that makers seldom meet."""
    todo = set(range(meta.shards))
    first = _first(meta.shards)
    made: set[int] = set()
    while todo:
        before = len(todo)
        for number in sorted(todo, key=lambda n: (n - first) % meta.shards):
            progress.told("indexing", meta.rows - sum(len(meta.span(n)) for n in todo), meta.rows)
            if fresh(folder, meta, wanted, number):
                todo.discard(number)
                continue
            claim = Claim(folder, number)
            if not claim.take():
                continue
            try:
                if not fresh(folder, meta, wanted, number):
                    make(folder, meta, wanted, number, claim)
                    made.add(number)
            finally:
                claim.release()
            todo.discard(number)
        if len(todo) == before:
            time.sleep(WAIT)
    return made


def _first(shards: int) -> int:
    """Where this maker begins, by torchrun's or SLURM's count of makers."""
    place = int(os.environ.get("RANK", os.environ.get("SLURM_ARRAY_TASK_ID", "0")))
    of = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_ARRAY_TASK_COUNT", "1")))
    return place * shards // max(1, of) % max(1, shards)


def _begun(folder: Path, meta: Meta) -> Meta:
    """The head that this call works by: that of the index in the folder, grown to the samples there are now."""
    if not (folder / "index.json").exists():
        strangers = [file.name for file in folder.iterdir() if not _ours(file.name)] if folder.is_dir() else []
        if strangers or (folder.exists() and not folder.is_dir()):
            raise Unfit(f"--out {folder} is there and is no index; name a folder that is empty or not there yet.")
        write_meta(folder, meta)
        return meta
    there = read_meta(folder)
    for name in FIXED:
        if getattr(there, name) != getattr(meta, name):
            raise Unfit(
                f"--out {folder} is an index of other content: {name} is {getattr(there, name)!r}, and "
                f"{getattr(meta, name)!r} was asked for. Name another folder."
            )
    grown = replace(there, rows=meta.rows, weights=meta.weights)
    if grown != there:
        write_meta(folder, grown)
        for number in range(grown.shards, there.shards):  # of samples that are gone
            for part in PARTS:
                place(folder, part, number).unlink(missing_ok=True)
    return grown


def _ours(name: str) -> bool:
    """Whether another maker, who begins at this moment, may have put this there."""
    return name in PARTS or name.startswith(".index.json.")


def weights_of(model: Path) -> str:
    """A digest of the files of a run's model or of a model folder, but for its card."""
    folder = model / "model" if (model / "model").is_dir() else model
    total = hashlib.blake2b(digest_size=16)
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "README.md"]
    for file in sorted(files, key=lambda file: str(file.relative_to(folder))):
        total.update(f"{file.relative_to(folder)}\0".encode("utf-8", "surrogateescape"))
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()
