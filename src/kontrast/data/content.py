"""When two samples are the same: equal pixels, equal bytes or equal words. What is tested must not be learned from.

Pictures in memory are compared by their pixels, so that a copy saved in another format is a copy; others by the bytes
of their files; sentences by their words.

Shapes: N samples of the listing, M usable ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import numpy as np

from kontrast import keyed
from kontrast.data.pixels.store import InMemory, Pictures
from kontrast.keyed import Ids

MEMBERS = ("text", "anchor", "positive", "first", "second")  # whose words make two rows of sentences akin


class Listed(Protocol):
    """What is looked at of a `Source`."""

    @property
    def kind(self) -> str: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def pictures(self) -> Pictures | None: ...
    @property
    def digests(self) -> Mapping[int, bytes]: ...
    @property
    def groups(self) -> Ids | None: ...
    @property
    def columns(self) -> Mapping[str, Sequence[Any]]: ...
    @property
    def scored(self) -> tuple[Ids, Ids, Sequence[float]] | None: ...


def contents(source: Listed, ids: Ids | None = None, *, pixels: bool = True) -> list[Hashable]:
    """What makes each of these samples (by default all usable ones) itself. pixels: compared where they can be."""
    ids_M = (source.ids if ids is None else ids).tolist()
    if pixels and by_pixels(source):
        seen: dict[int, bytes] = {}  # rows of one picture share its place
        assert isinstance(source.pictures, InMemory)
        return [_pixels(source.pictures, sample, seen) for sample in ids_M]
    if source.digests:
        return [source.digests[sample] for sample in ids_M]
    columns = list(source.columns.values())
    if columns:
        return [tuple(str(column[sample]) for column in columns) for sample in ids_M]
    return [source.names[sample] for sample in ids_M]


def by_pixels(source: Listed) -> bool:
    """Whether its samples are compared by their pixels."""
    return source.kind in ("images", "pairs") and isinstance(source.pictures, InMemory)


def untested(bank: Listed, tested: Listed) -> Ids:
    """The usable ids of the bank whose content is not tested."""
    pixels = by_pixels(bank) and by_pixels(tested)
    known = set(contents(tested, pixels=pixels))
    kept = [sample for sample, what in zip(bank.ids.tolist(), contents(bank, pixels=pixels)) if what not in known]
    return np.array(kept, dtype=np.int64)


def first_of_equals(source: Listed, ids: Ids) -> Ids:
    """For each of these usable ids the place, among them, of the first one with its content."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(what, n) for n, what in enumerate(contents(source, ids))], dtype=np.int64)


def linked(source: Listed, *, members: bool) -> Ids:
    """A number for each usable sample, equal where two belong on the same side of a split; (M,).

    Equal content and equal groups always do. members: so do rows that have a picture or a sentence in common, and all
    that hang together through others.
    """
    root: dict[Hashable, Hashable] = {}

    def find(key: Hashable) -> Hashable:
        while root.setdefault(key, key) != key:
            root[key] = key = root[root[key]]
        return key

    firsts: list[Hashable] = []
    for sample, what in zip(source.ids.tolist(), contents(source)):
        keys = list(_keys(source, sample, what, members))
        firsts.append(keys[0])
        for other in keys[1:]:
            root[find(other)] = find(keys[0])
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(find(key), len(number)) for key in firsts], dtype=np.int64)


def kept_apart(ids: Ids, count: int, seed: int, linked_M: Ids) -> Ids | None:
    """About `count` of the ids, ascending, with all that are linked to them; None where no such part is near that size.

    The order is keyed by the first id of each number, so that without links these are the first `count` by key. At
    least half of `count` are taken; more than `count`, at most twice as many, only where nothing smaller is there.
    """
    _, first_G, number_M, size_G = np.unique(linked_M, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(keyed.words("held out", seed, ids[first_G]), kind="stable").tolist()
    for most in (count, min(2 * count, len(ids) - 1)):
        taken_G, total = np.zeros(len(first_G), dtype=bool), 0
        for group in order:
            if total < count and total + size_G[group] <= most:
                taken_G[group], total = True, total + int(size_G[group])
        if 2 * total >= count:
            return np.sort(ids[taken_G[number_M]])
    return None


def kept_apart_unread(ids: Ids, count: int, seed: int, equal_to: Callable[[int], Ids]) -> Ids | None:
    """What `kept_apart` gives where only equal contents are linked, asking for the equals of as few as it can.

    equal_to: id -> those of the ids that have its content, ascending, itself among them
    """
    order = ids[np.argsort(keyed.words("held out", seed, ids), kind="stable")].tolist()
    for most in (count, min(2 * count, len(ids) - 1)):
        taken: list[int] = []
        for sample in order:
            if len(taken) >= count:
                break
            group = equal_to(sample).tolist()
            if group[0] == sample and len(taken) + len(group) <= most:
                taken += group
        if 2 * len(taken) >= count:
            return np.sort(np.array(taken, dtype=np.int64))
    return None


def _keys(source: Listed, sample: int, what: Hashable, members: bool) -> Iterator[Hashable]:
    yield "content", what
    if source.groups is not None:
        yield "group", int(source.groups[sample])
    if not members:
        return
    if source.scored is not None and source.kind == "scored_pairs":
        yield from (("picture", source.names[int(side[sample])]) for side in source.scored[:2])
    elif source.pictures is None:
        texts = (source.columns[role][sample] for role in MEMBERS if role in source.columns)
        yield from (("text", text) for text in chain(*(one if isinstance(one, list) else [one] for one in texts)))


def _pixels(pictures: InMemory, sample: int, seen: dict[int, bytes]) -> bytes:
    row = int(pictures.row_N[sample])
    if row not in seen:
        picture = np.ascontiguousarray(pictures.stack[row])
        seen[row] = hashlib.blake2b(repr(picture.shape).encode() + picture.tobytes(), digest_size=16).digest()
    return seen[row]
