"""Everything that is known of some data before the first step, and whether they are fit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kontrast.check import near
from kontrast.check.pictures import Looked, looked
from kontrast.check.texts import Read, read
from kontrast.data.open import Source, open_source
from kontrast.data.pixels.cache import stamps
from kontrast.data.pixels.unread import Met
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.modalities.registry import load
from kontrast.settings import Settings
from kontrast.vector_index import looks
from kontrast.vector_index.pairs import Near, groups_of

LEAST = {"looks": 0.8, "words": 0.6, "model": 0.8}  # likeness down to which pairs are kept for other thresholds
LINE = {"looks": 0.9, "words": 0.7, "model": 0.95}  # likeness from which on two are called nearly the same
FEW = 3  # broken samples that are no reason to stop, whatever share they are
BROKEN, REPEATED = 0.01, 0.5  # shares from which on data are unfit


@dataclass
class Findings:
    """What was found. Ids are those of the source.

    broken    id -> why
    exact     samples of one content, a list each, of two or more
    nearly    pairs of rows (places in `ids`) that are nearly the same
    group_M   a number for each of `ids`, equal where two are exactly or nearly the same
    leaks     {"exact": ids of the other data that are here, "near": the same, nearly}
    """

    source: Source
    ids: Ids
    broken: dict[int, str]
    exact: list[list[int]]
    nearly: Near
    group_M: Ids
    line: float
    looked: Looked | None = None
    read: Read | None = None
    leaks: dict[str, list[int]] = field(default_factory=dict)
    unlooked: list[str] = field(default_factory=list)

    def repeats(self) -> list[list[int]]:
        """Samples that are the same thing, exactly or nearly, a list for each."""
        order = np.argsort(self.group_M, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.group_M[order])) + 1)
        return [self.ids[part].tolist() for part in parts if len(part) > 1]

    def unfit(self) -> list[str]:
        """Why these data should not be trained on as they are; nothing where they are fit."""
        total, broken = len(self.ids) + len(self.broken), len(self.broken)
        apart = len(np.unique(self.group_M))
        flat = 0 if self.looked is None else len(self.looked.flat())
        told = [f"{len(self.ids)} usable samples: contrast needs at least 2"] if len(self.ids) < 2 else []
        if broken > max(FEW, BROKEN * total):
            told.append(f"{broken:,} of {total:,} samples are broken, more than {BROKEN:.0%}")
        if len(self.ids) > 1 and len(self.ids) - apart > REPEATED * len(self.ids):
            told.append(f"{len(self.ids) - apart:,} of {len(self.ids):,} are repeats of others")
        if flat > REPEATED * len(self.ids):
            told.append(f"{flat:,} of {len(self.ids):,} pictures have one colour")
        if self.leaks.get("exact"):
            told.append(f"{len(self.leaks['exact']):,} samples of the other data are here too")
        return told


def opened(data: Any, asked: Settings) -> Source:
    """The data as a run would read them, pictures of a folder looked at one by one."""
    how: dict[str, Any] = {"labels": asked.labels, "split": asked.split, "columns": asked.columns, "same": asked.same}
    how |= {"channels": asked.channels, "white": asked.white, "follow_links": bool(asked.follow_links)}
    return open_source(data, workers=asked.workers, survey=False, **how)


def find(
    source: Source, against: Source | None = None, line: float | None = None, model: str | None = None
) -> Findings:
    """Look at a source, and at what it shares with another.

    line   likeness from which on two samples are nearly the same: a cosine of looks or of a model's vectors, or the
           share of words that two sentences have in common (Jaccard)
    model  a run or model folder whose vectors say what is nearly the same, instead of looks and words
    """
    key = key_of(source)
    seen = looked(source, key) if source.pictures is not None else None
    words = read(source)
    broken = {skipped.id: skipped.reason for skipped in source.skipped} | (seen.broken if seen else {})
    ids = source.ids if seen is None else seen.ids
    other = None if against is None else (looked(against, key_of(against)) if against.pictures is not None else None)
    found = Findings(source, ids, broken, [], _none(), np.arange(len(ids)), 0.0, seen, words)
    way, rows, there = "looks", None, None
    if model is not None:
        way, rows, there = "model", *_vectors(model, source, ids, against)
    elif seen is not None and len(ids):
        raw = seen.looks()
        white = looks.whitening(raw, 0.1 + 100 / len(raw))  # of few pictures it is hardly known how they differ
        rows, there = white(raw) * _lit(seen), None if other is None else white(other.looks()) * _lit(other)
    else:
        way = "words"
    found.line = LINE[way] if line is None else line
    least = min(LEAST[way], found.line)
    if rows is not None:
        found.nearly = _pairs(f"{way}-{key}-{_short(model)}", least, lambda: near.of_vectors(rows, None, least))
    elif words is not None:
        found.nearly = _of_words(found, ids, key, least)
    found.nearly = found.nearly.above(found.line)
    found.exact = _exact(seen, words)
    found.group_M = _groups(found)
    if against is not None:
        found.leaks = _leaks(found, against, other, (rows, there))
    return found


def key_of(source: Source) -> str:
    """A name for the data as they are now: for files the times of their last changes too."""
    total = hashlib.blake2b(source.fingerprint.encode(), digest_size=12)
    total.update(repr((source.ids[:1], source.ids[-1:], len(source.ids), list(source.columns))).encode())
    total.update(np.ascontiguousarray(source.ids).tobytes())
    if isinstance(source.pictures, Met):
        total.update(stamps(source.pictures.folder, source.names).tobytes())
    return total.hexdigest()


def balance(source: Source, ids: Ids) -> dict[str, int]:
    """Class -> how many of these samples."""
    if source.labels is None:
        return {}
    counts = np.bincount(source.labels[ids] + 1, minlength=len(source.classes) + 1)
    found = {name: int(count) for name, count in zip(source.classes, counts[1:])}
    return found | ({"unlabelled": int(counts[0])} if counts[0] else {})


def _none() -> Near:
    return Near(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))


def _lit(seen: Looked) -> np.ndarray[Any, Any]:
    """(M, 1): 0 for pictures of one colour, which look like nothing and are near to nothing."""
    lit: np.ndarray[Any, Any] = np.isin(seen.ids, seen.flat(), invert=True)[:, None].astype(np.float32)
    return lit


def _short(model: str | None) -> str:
    return "" if model is None else hashlib.blake2b(str(Path(model).resolve()).encode(), digest_size=6).hexdigest()


def _vectors(model: str, source: Source, ids: Ids, against: Source | None) -> tuple[Any, Any]:
    """Unit vectors of a model, of both."""
    in_use = load(model)

    def unit(one: Source, some: Ids) -> Any:
        vectors = in_use.embed_source(one, some)
        return (vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-9)).numpy()

    return unit(source, ids), None if against is None else unit(against, against.ids)


def _pairs(key: str, least: float, look: Any) -> Near:
    """Pairs from the cache, or found now and kept."""
    kept = near.kept_pairs(key, least)
    return near.keep_pairs(key, look(), least) if kept is None else kept


def _of_words(found: Findings, ids: Ids, key: str, least: float) -> Near:
    """Near pairs of the first column of texts, one text a sample."""
    assert found.read is not None
    first = dict(reversed(list(zip(found.read.id_T.tolist(), found.read.plain))))
    texts = [first.get(sample, "") for sample in ids.tolist()]
    try:
        return _pairs(f"words-{key}", least, lambda: near.of_texts(texts, None, least))
    except Unfit as problem:
        found.unlooked.append(str(problem))
        return _none()


def _exact(seen: Looked | None, words: Read | None) -> list[list[int]]:
    """Samples of equal pixels; without pictures, those whose first texts are equal but for case and marks."""
    if seen is None:
        first = words.role_T[0] if words is not None else ""
        return [] if words is None else words.of(first).repeats()
    places: dict[bytes, list[int]] = {}
    for sample, digest in zip(seen.ids.tolist(), seen.digest_M):
        places.setdefault(digest.tobytes(), []).append(sample)
    return [group for group in places.values() if len(group) > 1]


def _groups(found: Findings) -> Ids:
    """A number for each usable sample, equal where a chain of exact or near repeats connects two."""
    place = {sample: row for row, sample in enumerate(found.ids.tolist())}
    links = [(place[group[0]], place[other]) for group in found.exact for other in group[1:]]
    first = np.concatenate([found.nearly.first, np.array([a for a, _ in links], dtype=np.int64)])
    second = np.concatenate([found.nearly.second, np.array([b for _, b in links], dtype=np.int64)])
    joined = Near(first, second, np.ones(len(first), dtype=np.float32))
    return groups_of(joined, len(found.ids)) if len(found.ids) else found.group_M


def _leaks(found: Findings, against: Source, other: Looked | None, rows: tuple[Any, Any]) -> dict[str, list[int]]:
    """Samples of the other data that are here too."""
    here, there = rows
    if found.looked is not None and other is not None:
        known = {digest.tobytes() for digest in found.looked.digest_M}
        exact = [i for i, digest in zip(other.ids.tolist(), other.digest_M) if digest.tobytes() in known]
        alike, ids = near.of_vectors(here, there, found.line), other.ids
    elif found.read is not None and (texts := read(against)) is not None:
        known_texts = set(found.read.plain)
        exact = sorted({i for i, text in zip(texts.id_T.tolist(), texts.plain) if text in known_texts and text})
        try:
            alike, ids = near.of_texts(sorted(known_texts), texts.plain, found.line), texts.id_T
        except Unfit:
            alike, ids = _none(), texts.id_T
    else:
        raise Unfit(f"--against {against.name} holds {against.called}, and {found.source.name} {found.source.called}.")
    nearly = sorted(set(ids[alike.second].tolist()) - set(exact))
    return {"exact": exact, "near": nearly}


def numbers(found: Findings) -> dict[str, Any]:
    """The findings as JSON: counts, and the names that belong to them."""
    source, seen = found.source, found.looked
    names = source.names
    told: dict[str, Any] = {
        "data": source.name,
        "kind": source.kind,
        "samples": len(found.ids) + len(found.broken),
        "usable": len(found.ids),
        "broken": [{"id": i, "name": names[i], "reason": why} for i, why in sorted(found.broken.items())],
        "exact_repeats": sum(len(group) - 1 for group in found.exact),
        "near_pairs": len(found.nearly),
        "likeness": found.line,
        "repeat_groups": [[names[i] for i in group] for group in found.repeats()],
        "labels": balance(source, found.ids),
        "not_looked_for": found.unlooked,
    }
    if seen is not None:
        sizes, counts = np.unique(seen.size_M2, axis=0, return_counts=True)
        told |= {
            "sizes": {f"{w}x{h}": int(n) for (h, w), n in zip(sizes.tolist(), counts)},
            "channels": source.channels,
            "grey": int(seen.grey_M.sum()),
            "bits": source.bits,
            **{name: [names[i] for i in ids] for name, ids in odd(seen).items()},
        }
    if found.read is not None:
        shortest, middle, longest = found.read.words()
        told |= {
            "texts": len(found.read.texts),
            "words": {"shortest": shortest, "middle": middle, "longest": longest},
            "one_word": len(found.read.short()),
            "repeated_texts": sum(len(group) - 1 for group in found.read.repeats()),
            "over_77_tokens": len(found.read.long()),
        }
    if source.groups is not None:
        sizes_G = np.unique(source.groups[found.ids], return_counts=True)[1]
        told["groups"] = {"count": len(sizes_G), "smallest": int(sizes_G.min()), "largest": int(sizes_G.max())}
    return told


def odd(seen: Looked) -> dict[str, list[int]]:
    """Pictures that teach little, by what is odd about them."""
    return {"dark": seen.dark().tolist(), "one_colour": seen.flat().tolist(), "blurred": seen.blurred().tolist()}
