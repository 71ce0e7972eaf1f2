"""Pairs that are nearly the same: of pictures by their looks, of rows by a model's vectors, of sentences by MinHash.

Pairs are found once, down to a likeness that nobody would call the same, and kept; a threshold then takes its part.

Shapes: N rows, S numbers of a row, T tables of keys.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kontrast import keyed, progress
from kontrast.check import kept
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.vector_index.pairs import Near, compared

ALL_PAIRS = 40_000  # rows up to which all pairs are compared; above, those with a key in common
TABLES, BITS = 24, 12
PERMUTATIONS, BANDS = (64, (16, 4))  # of MinHash; pairs of likeness 0.7 are found with probability 0.99
_BLANK = re.compile(r"[\W_]+")
Floats = npt.NDArray[np.float32]


def kept_pairs(key: str, least: float) -> Near | None:
    """Pairs that were found before, down to this likeness or further."""
    found = kept.found(f"near-{key}")
    if found is None or float(found["least"]) > least:
        return None
    return Near(found["first"], found["second"], found["cosine"]).above(least)


def keep_pairs(key: str, near: Near, least: float) -> Near:
    """The same pairs, kept."""
    kept.keep(f"near-{key}", {**vars(near), "least": np.array(least)})
    return near


def of_vectors(rows_NS: Floats, other_NS: Floats | None, least: float) -> Near:
    """Pairs of unit rows with a cosine of at least `least`; with `other` one of each pair is there."""
    if max(len(rows_NS), len(other_NS) if other_NS is not None else 0) <= ALL_PAIRS:
        return compared(rows_NS, other_NS, least)
    return _by_keys(rows_NS, other_NS, least)


def _by_keys(rows_NS: Floats, other_NS: Floats | None, least: float) -> Near:
    """The same of many rows: compared are those on one side of twelve random planes, for 24 draws of the planes.

    Two rows of cosine 0.95 share a key in one draw with probability 0.28, so in one of 24 with 0.9996.
    """
    both_NS = rows_NS if other_NS is None else np.concatenate([rows_NS, other_NS])
    border, found = len(rows_NS), set[tuple[int, int, float]]()
    planes = keyed.normal("planes", np.arange(both_NS.shape[1])[:, None], np.arange(TABLES * BITS)).astype(np.float32)
    for table in progress.passing(range(TABLES), "comparing by keys"):
        side = both_NS @ planes[:, table * BITS : (table + 1) * BITS] > 0
        key_N = side @ (1 << np.arange(BITS))
        order = np.argsort(key_N, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(key_N[order])) + 1):
            here, there = (bucket, bucket) if other_NS is None else (bucket[bucket < border], bucket[bucket >= border])
            for part in np.array_split(here, -(-len(here) // 4096)) if len(here) and len(there) else ():
                score = both_NS[part] @ both_NS[there].T
                i, j = np.nonzero(score >= least)
                pairs = zip(part[i].tolist(), there[j].tolist(), score[i, j].tolist())
                found.update((a, b, c) for a, b, c in pairs if a < b)
    best = {(a, b): min(c, 1.0) for a, b, c in found}
    first = np.array([a for a, _ in best], dtype=np.int64)
    second = np.array([b for _, b in best], dtype=np.int64) - (0 if other_NS is None else border)
    return _sorted(first, second, np.array(list(best.values()), dtype=np.float32))


def plain(text: str) -> str:
    """A text without case, marks and spacing: what differs only in these is the same."""
    return _BLANK.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def of_texts(texts: Sequence[str], other: Sequence[str] | None, least: float) -> Near:
    """Pairs of plain texts whose words and neighbouring words overlap (Jaccard) by at least `least`; not equal ones.

    Unfit without datasketch, whose MinHash and LSH find the candidates; what is kept is counted exactly.
    """
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        raise Unfit("Near repeats of sentences need datasketch: pip install 'kontrast[check]'.") from None
    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)
    start = MinHash(PERMUTATIONS, seed=1, hashfunc=zlib.crc32)
    here = [_parts(text) for text in texts]
    there = here if other is None else [_parts(text) for text in other]
    first, second, likeness = [], [], []

    def signed(parts: frozenset[bytes]) -> MinHash:
        hashed = start.copy()
        hashed.update_batch(list(parts))
        return hashed

    if other is not None:
        for row, parts in enumerate(progress.passing(here, "hashing sentences")):
            lsh.insert(row, signed(parts), check_duplication=False)
    for row, parts in enumerate(progress.passing(there, "comparing sentences")):
        hashed = signed(parts)
        for earlier in sorted(lsh.query(hashed)):
            like = len(parts & here[earlier]) / len(parts | here[earlier]) if parts else 0.0
            if like >= least and (texts[earlier] != (texts if other is None else other)[row]):
                first.append(earlier)
                second.append(row)
                likeness.append(like)
        if other is None:
            lsh.insert(row, hashed, check_duplication=False)
    return _sorted(np.array(first, np.int64), np.array(second, np.int64), np.array(likeness, np.float32))


def _parts(text: str) -> frozenset[bytes]:
    words = text.split()
    return frozenset(part.encode("utf-8", "surrogatepass") for part in _pieces(words))


def _pieces(words: Sequence[str]) -> Iterator[str]:
    yield from words
    yield from map(" ".join, pairwise(words))


def _sorted(first: Ids, second: Ids, likeness: Floats) -> Near:
    order = np.lexsort((second, first, -likeness))
    return Near(first[order], second[order], likeness[order])
