"""One shard of an index: its samples embedded, what they are called beside them, and the digests that seal both.

A shard is a pure function of its samples, the model and the number of threads: whoever makes it, it has the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from kontrast import progress
from kontrast.data.labels import missing
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate.embedders import WORDS
from kontrast.keyed import Ids
from kontrast.report.contact_sheet import shown
from kontrast.vector_index.claims import Claim
from kontrast.vector_index.layout import Meta, digest, place, put, seal_of, sound

AT_ONCE = 1024  # samples between two signs of life
TOLD = 4000  # letters of a text that are kept
OURS = ("id", "name", "content", "text", "label", "group", "split", "thumbnail", "row")  # names with a meaning here


@dataclass(frozen=True)
class Wanted:
    """What goes into an index, and how it becomes vectors.

    embed  (source, ids) -> raw vectors (B, D)
    """

    source: Source
    embed: Callable[[Source, Ids], torch.Tensor]

    @property
    def text(self) -> str:
        """The role of the words that are embedded; "" where it is pictures, or neither."""
        if self.source.pictures is not None:
            return ""
        return next((role for role in WORDS if role in self.source.columns), "")

    @cached_property
    def kinds(self) -> dict[str, Callable[[Any], Any]]:
        """What the columns beside hold: the same in every shard, whatever its own rows are."""
        return {name: _kind(values) for name, values in self.source.beside.items()}


def fresh(folder: Path, meta: Meta, wanted: Wanted, number: int) -> bool:
    """Whether a shard is made, of these samples, by this model, and nothing of it is cut or altered."""
    seal = seal_of(folder, number)
    if seal.get("made of") != _made_of(meta, _contents(wanted, _ids(meta, wanted, number))):
        return False
    if seal.get("told") != _told(columns(meta, wanted, number)):
        return False
    return all(sound(folder, number, part, seal) for part in ("vectors", "items"))


def make(folder: Path, meta: Meta, wanted: Wanted, number: int, claim: Claim) -> None:
    """Embed one shard and write it. Vectors of the same samples by the same model are kept: then only what is said of
    them is written anew."""
    ids = _ids(meta, wanted, number)
    told = columns(meta, wanted, number)
    before = seal_of(folder, number)
    seal = {"made of": _made_of(meta, told["content"]), "told": _told(told)}
    if before.get("made of") == seal["made of"] and sound(folder, number, "vectors", before):
        seal["vectors"] = before["vectors"]
    else:
        file = io.BytesIO()
        np.save(file, _vectors(meta, wanted, ids, claim))
        seal["vectors"] = _put(folder, "vectors", number, file.getvalue())
    if meta.thumbnail:
        told = {**told, "thumbnail": list(_thumbnails(wanted.source, ids, meta.thumbnail, claim))}
    seal["items"] = _put(folder, "items", number, _table(told))
    put(place(folder, "seals", number), json.dumps(seal, sort_keys=True).encode())


def columns(meta: Meta, wanted: Wanted, number: int) -> dict[str, Any]:
    """What is said of the rows of a shard, but for their pictures."""
    source, ids = wanted.source, _ids(meta, wanted, number)
    found: dict[str, Any] = {
        "id": ids.tolist(),
        "name": [_text(source.names[i]) for i in ids.tolist()],
        "content": _contents(wanted, ids),
    }
    if wanted.text:
        found["text"] = [_text(words) for words in source.texts(ids, wanted.text)]
        for role in sorted(set(source.columns) - {wanted.text}):  # such as the positive of an anchor
            found[role] = [_text(str(source.columns[role][i])) for i in ids.tolist()]
    elif "text" in source.columns:
        found["text"] = [_text(captions[0]) for captions in source.captions(ids)]
    if source.labels is not None:
        names = source.classes
        found["label"] = [
            None if n < 0 else names[n] if names else str(n) for n in np.asarray(source.labels)[ids].tolist()
        ]
    if source.groups is not None:
        found["group"] = np.asarray(source.groups)[ids].tolist()
    if source.splits:
        found["split"] = _splits(source, ids)
    for name, values in source.beside.items():
        own = f"own_{name}" if name.lower() in OURS else name
        found[own] = [_cell(values[i], wanted.kinds[name]) for i in ids.tolist()]
    return found


def _ids(meta: Meta, wanted: Wanted, number: int) -> Ids:
    span = meta.span(number)
    return wanted.source.ids[span.start : span.stop]


def _vectors(meta: Meta, wanted: Wanted, ids: Ids, claim: Claim) -> Any:
    """Unit vectors (rows, D). Unfit where the model gives none."""
    parts = []
    with progress.listening(lambda *_: None):  # the shards are counted, not the batches in them
        for start in range(0, len(ids), AT_ONCE):
            parts.append(normalize(wanted.embed(wanted.source, ids[start : start + AT_ONCE]).float(), dim=1).numpy())
            claim.renew()
    vectors = np.concatenate(parts)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        name = wanted.source.names[int(ids[int(np.flatnonzero(~finite)[0])])]
        raise Unfit(f"The model gives numbers that are not finite for {name}: it cannot be indexed.")
    return vectors.astype(meta.dtype)


def _put(folder: Path, part: str, number: int, content: bytes) -> str:
    put(place(folder, part, number), content)
    return digest(content)


def _table(told: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"thumbnail": pa.binary(), "label": pa.string()}
    table = pa.table({name: pa.array(values, types.get(name)) for name, values in told.items()})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _kind(values: Sequence[Any]) -> Callable[[Any], Any]:
    """What makes a value of this column one that a table can hold: a number where all are numbers, else words."""
    there = [value for value in values if not missing(value)]
    if all(isinstance(value, bool | np.bool_) for value in there):
        return bool
    if all(isinstance(value, int | np.integer) for value in there):
        return int if all(abs(int(value)) < 2**63 for value in there) else str
    return float if all(isinstance(value, int | float | np.number) for value in there) else str


def _cell(value: Any, kind: Callable[[Any], Any]) -> Any:
    if missing(value):
        return None
    return _text(str(value)) if kind is str else kind(value)


def _text(words: str) -> str:
    """Words that any table can hold: half a letter of a file name is written as the byte that it is."""
    return words[:TOLD].encode("utf-8", "backslashreplace").decode()


def _splits(source: Source, ids: Ids) -> list[str | None]:
    found: dict[int, str] = {}
    for name, members in source.splits.items():
        found |= dict.fromkeys(np.intersect1d(members, ids).tolist(), name)
    return [found.get(i) for i in ids.tolist()]


def _thumbnails(source: Source, ids: Ids, side: int, claim: Claim) -> Iterator[bytes]:
    """Pictures whose longer side is at most this: small ones as they are (PNG), larger ones reduced (JPEG)."""
    for start in range(0, len(ids), 256):
        claim.renew()
        for pixels in source.images(ids[start : start + 256]):
            image = shown(pixels.float() / source.white)
            reduced = max(image.size) > side
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            file = io.BytesIO()
            image.save(file, "JPEG", quality=82) if reduced else image.save(file, "PNG")
            yield file.getvalue()


def _contents(wanted: Wanted, ids: Ids) -> list[str]:
    """A digest of what is embedded of each sample: the encoded picture, the words, or what stands for them."""
    source = wanted.source
    if wanted.text:
        return [digest(words.encode("utf-8", "surrogatepass")) for words in source.texts(ids, wanted.text)]
    if source.pictures is None:
        rows = ([values[i] for values in source.columns.values()] for i in ids.tolist())
        return [digest(repr(row).encode("utf-8", "surrogatepass")) for row in rows]
    return [
        source.digests[i].hex() if i in source.digests else digest(source.images([i])[0].numpy().tobytes())
        for i in ids.tolist()
    ]


def _made_of(meta: Meta, contents: Sequence[str]) -> str:
    """What the vectors of a shard depend on."""
    how = (meta.weights, meta.dtype, meta.width, meta.threads)
    return hashlib.blake2b(repr((how, list(contents))).encode(), digest_size=16).hexdigest()


def _told(told: dict[str, Any]) -> str:
    """What the items of a shard depend on."""
    return hashlib.blake2b(repr(sorted(told.items())).encode(), digest_size=16).hexdigest()
