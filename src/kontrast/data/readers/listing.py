"""The pictures in a folder by name: one pass, kept in the user's cache, and only what changed is read again.

The listing is sorted by the bytes of the path inside the folder, so it is the same on every machine and in every
language. Hidden files and folders are left out. A folder whose time of change is what it was holds the same names as
it did, so its names come out of the cache; where files came or went, that one folder is listed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kontrast import files, progress
from kontrast.data.names import Names
from kontrast.data.pixels.cache import cache_folder
from kontrast.data.readers.files import extensions
from kontrast.errors import Unfit

KEPT_FROM = 10_000  # names; fewer are listed anew faster than a cache is read
SETTLED = 2_000_000_000  # ns; a folder that changed a moment ago may change again within one tick of its clock
TOLD = 1 << 15  # entries between two lines of progress


@dataclass
class Inside:
    """What one folder holds. No name has a slash in it, so one stands between two; `linked` and `refused` are links."""

    stamp: int = 0  # when it changed (ns); 0: not to be trusted later
    pictures: str = ""
    folders: str = ""
    others: dict[str, int] = field(default_factory=dict)
    linked: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def listed(folder: Path, follow_links: bool = False) -> tuple[Names, dict[int, str], Counter[str]]:
    """Sorted picture names inside the folder, those that must not be opened (place -> why), and other endings.

    With `follow_links` links to files and folders anywhere are followed; no folder is read twice, so none in a circle.
    """
    walk = _Walk(folder, follow_links)
    walk.all()
    names = sorted(walk.paths())
    refused = {os.fsencode(name): why for name, why in walk.refused.items()}
    places = {place: refused[name] for place, name in enumerate(names) if name in refused} if refused else {}
    return Names.of(names), places, walk.others


class _Walk:
    """One pass over the names of a folder: real folders first, then the linked ones in the order of their names."""

    def __init__(self, folder: Path, follow_links: bool) -> None:
        self.folder, self.follow_links = folder, follow_links
        self.root = os.path.realpath(folder)
        self.endings = extensions()
        self.found: dict[str, Inside] = {}  # path of a folder inside, with a slash at its end -> what it holds
        self.count = 0
        self.refused: dict[str, str] = {}
        self.others = Counter[str]()
        self.read: set[str] = set()  # real paths of folders
        self.linked: list[str] = []

    def all(self) -> None:
        """Fill `found`, `refused` and `others`."""
        cache = _Cache(self.root)
        self.known = {} if self.follow_links else cache.read()
        self._below("")
        while self.linked:
            self.linked.sort(key=os.fsencode, reverse=True)
            name = self.linked.pop()
            if os.path.realpath(os.path.join(self.root, name)) in self.read:
                self.refused[name] = "a link to a folder that is read already"
            else:
                self._below(name + "/")
        if self.count >= KEPT_FROM and not self.follow_links and self.found != self.known:
            cache.write(self.found)

    def paths(self) -> Iterator[bytes]:
        """All pictures, and the links that are refused."""
        for inside, holds in self.found.items():
            if holds.pictures:
                start = os.fsencode(inside)
                yield from (start + name for name in os.fsencode(holds.pictures).split(b"/"))
        yield from map(os.fsencode, self.refused)

    def _below(self, start: str) -> None:
        todo = [start]
        while todo:
            inside = todo.pop()
            progress.told("listing files", self.count)
            path = os.path.join(self.root, inside)
            real = os.path.realpath(path)
            if real in self.read:  # a linked folder holds it
                continue
            self.read.add(real)
            holds = self.found[inside] = self._inside(inside, path)
            self.count += (holds.pictures.count("/") + 1) * bool(holds.pictures)
            self.others.update(holds.others)
            self.linked += [inside + name for name in holds.linked]
            self.refused |= {inside + name: why for name, why in holds.refused.items()}
            todo += [f"{inside}{name}/" for name in holds.folders.split("/") if name]

    def _inside(self, inside: str, path: str) -> Inside:
        """What this folder holds, from the cache where it has not changed."""
        try:
            stamp, known = os.stat(path).st_mtime_ns, self.known.get(inside)
            if known is not None and known.stamp == stamp:
                return known
            return self._scanned(path, stamp)
        except OSError as error:
            raise Unfit(f"{self.folder}: the folder {inside or '.'} cannot be listed ({error.strerror}).") from None

    def _scanned(self, path: str, stamp: int) -> Inside:
        holds = Inside(stamp if stamp < time.time_ns() - SETTLED else 0)
        pictures, folders, endings = list[str](), list[str](), self.endings
        with os.scandir(path) as entries:
            for number, entry in enumerate(entries):
                if number % TOLD == TOLD - 1:
                    progress.told("listing files", self.count + len(pictures))
                name = entry.name
                if name.startswith(".") or (entry.is_symlink() and not self._may_follow(entry, holds)):
                    continue
                if entry.is_dir():
                    (holds.linked if entry.is_symlink() else folders).append(name)
                elif (end := os.path.splitext(name)[1].lower()) not in endings:
                    holds.others[end or "no ending"] = holds.others.get(end or "no ending", 0) + 1
                elif entry.is_file():
                    pictures.append(name)
        holds.pictures, holds.folders = "/".join(pictures), "/".join(folders)
        return holds

    def _may_follow(self, entry: os.DirEntry[str], holds: Inside) -> bool:
        """Whether a symbolic link is followed; else it is refused. Where it leads may change, so nothing is kept."""
        holds.stamp = 0
        if why := self._link(entry.path):
            holds.refused[entry.name] = why
        return not why

    def _link(self, path: str) -> str:
        """Why a symbolic link is not followed; empty if it may be."""
        target = os.path.realpath(path)
        if not os.path.exists(target):
            return "a link to nothing"
        if self.follow_links:
            return ""
        if target != self.root and not target.startswith(self.root + os.sep):
            return "followed only with --follow-links: a link to a place outside the folder"
        alone = "followed only with --follow-links: a link to a folder, which may hold itself"
        return alone if os.path.isdir(target) else ""


class _Cache:
    """The listing of one folder as the last look found it: a file in the user's cache. One that is damaged is none."""

    def __init__(self, root: str) -> None:
        key = hashlib.blake2b(repr((root, sorted(extensions()))).encode(), digest_size=12).hexdigest()
        self.path = cache_folder() / "names" / f"{key}.json"

    def read(self) -> dict[str, Inside]:
        """What each folder held that may be trusted while its stamp stays."""
        try:
            kept = json.loads(self.path.read_bytes())
            return {str(name): _as_kept(*held) for name, *held in kept}
        except (OSError, ValueError, TypeError, RecursionError):
            return {}

    def write(self, found: dict[str, Inside]) -> None:
        """Keep what may be trusted; a cache that cannot be written is no fault."""
        trusted = ((name, one) for name, one in found.items() if one.stamp)
        rows = [[name, one.stamp, [one.pictures, one.folders], one.others] for name, one in trusted]
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.write(self.path, json.dumps(rows))


def _as_kept(stamp: int, names: list[str], others: dict[str, int]) -> Inside:
    pictures, folders = names
    if not isinstance(pictures, str) or not isinstance(folders, str):
        raise TypeError("names were expected")
    return Inside(int(stamp), pictures, folders, {**others})
