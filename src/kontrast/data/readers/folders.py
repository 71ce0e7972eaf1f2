"""Pictures in a folder: one pass over the names, sorted, and nothing from outside the folder unless asked for.

The listing is sorted by the bytes of the path inside the folder, so it is the same on every machine and in every
language. Hidden files and folders are left out. A folder of folders called train, test, val, ... is read as splits.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kontrast import progress
from kontrast.data.labels import classes_of
from kontrast.data.readers.files import extensions
from kontrast.data.readers.images import of_pictures
from kontrast.data.source import Options, Source
from kontrast.data.splits import SPLITS, canonical, looks_like_one
from kontrast.errors import Unfit, shown
from kontrast.keyed import Ids


def from_folder(folder: Path, options: Options) -> Source:
    """All pictures in a folder, at any depth."""
    names, refused, others = listed(folder, options.follow_links)
    if not names:
        saw = f" (it holds {sum(others.values()):,} other files: {_most(others)})" if others else ""
        raise Unfit(f"{folder} holds no pictures{saw}; it or its folders need files such as .jpg or .png.")
    messages = [f"{sum(others.values()):,} files that are not pictures left aside: {_most(others)}"] if others else []
    splits = _splits(names, refused, messages)
    wanted = _wanted(splits, options.split, str(folder), len(names), refused)
    labels = groups = None
    classes: tuple[str, ...] = ()
    parts = 1 if splits else 0
    if isinstance(options.labels, str):
        labels, classes = _labels(names, parts, options.labels, str(folder))
        messages.append(f"labels for evaluation only: {len(classes):,} folders")
    elif options.labels is not None:
        raise Unfit(f"{folder} is a folder of pictures: its labels can only be 'folder', not {options.labels!r}.")
    if options.same is not None:
        groups, named = _labels(names, parts, options.same, str(folder))
        alone = groups < 0
        groups[alone] = len(named) + np.flatnonzero(alone)  # a picture in no folder is a group of its own
        messages.append(f"positives from the same folder: {len(named):,} groups")
    if splits:
        chosen = f"{options.split} chosen" if options.split else "all taken"
        messages.append("splits by folder: " + ", ".join(f"{k} {len(v):,}" for k, v in splits.items()) + f"; {chosen}")

    def read(sample: int) -> bytes:
        return (folder / names[sample]).read_bytes()

    source = of_pictures(str(folder), names, read, wanted.tolist(), options, refused=refused, folder=folder)
    kept = {name: np.intersect1d(ids, source.ids) for name, ids in splits.items()}
    messages.extend(source.messages)
    return replace(source, labels=labels, classes=classes, groups=groups, splits=kept, messages=tuple(messages))


def listed(folder: Path, follow_links: bool = False) -> tuple[list[str], dict[int, str], Counter[str]]:
    """Sorted picture names inside the folder, those that must not be opened (place -> why), and other endings.

    With `follow_links` links to files and folders anywhere are followed; no folder is read twice, so none in a circle.
    """
    walk = _Walk(folder, follow_links)
    walk.all()
    names = sorted(walk.found, key=os.fsencode)
    return names, {place: walk.refused[name] for place, name in enumerate(names) if name in walk.refused}, walk.others


class _Walk:
    """One pass over the names of a folder: real folders first, then the linked ones in the order of their names."""

    def __init__(self, folder: Path, follow_links: bool) -> None:
        self.folder, self.follow_links = folder, follow_links
        self.root = os.path.realpath(folder)
        self.known = extensions()
        self.found: list[str] = []
        self.refused: dict[str, str] = {}
        self.others = Counter[str]()
        self.read: set[str] = set()  # real paths of folders
        self.linked: list[str] = []

    def all(self) -> None:
        """Fill `found`, `refused` and `others`."""
        self._below("")
        while self.linked:
            self.linked.sort(key=os.fsencode, reverse=True)
            name = self.linked.pop()
            if os.path.realpath(os.path.join(self.root, name)) in self.read:
                self._refuse(name, "a link to a folder that is read already")
            else:
                self._below(name + "/")

    def _below(self, start: str) -> None:
        todo = [start]
        while todo:
            inside = todo.pop()
            progress.told("listing files", len(self.found))
            real = os.path.realpath(os.path.join(self.root, inside))
            if real in self.read:  # a linked folder holds it
                continue
            self.read.add(real)
            try:
                entries = list(os.scandir(os.path.join(self.root, inside)))
            except OSError as error:
                raise Unfit(f"{self.folder}: the folder {inside or '.'} cannot be listed ({error.strerror}).") from None
            for entry in entries:
                if not entry.name.startswith("."):
                    self._entry(entry, inside + entry.name, todo)

    def _entry(self, entry: os.DirEntry[str], name: str, todo: list[str]) -> None:
        if entry.is_symlink():
            reason = self._link(entry.path)
            if reason:
                self._refuse(name, reason)
                return
            if entry.is_dir():
                self.linked.append(name)
                return
        if entry.is_dir():
            todo.append(name + "/")
        elif os.path.splitext(name)[1].lower() not in self.known:
            self.others[os.path.splitext(name)[1].lower() or "no ending"] += 1
        elif entry.is_file():
            self.found.append(name)

    def _refuse(self, name: str, reason: str) -> None:
        self.refused[name] = reason
        self.found.append(name)

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


def _splits(names: Sequence[str], refused: Mapping[int, str], messages: list[str]) -> dict[str, Ids]:
    """Ids of each split, where the top folders are named like splits; what lies beside them is in none, and named.

    They are splits if most pictures lie in them, and if there are two of them or no other folder is beside: a folder
    of trains among folders of cars and buses is a class. Where folders look like splits and are none, it is said.
    """
    tops = [name.split("/", 1)[0] if "/" in name else "" for name in names]
    used = [place for place in range(len(names)) if place not in refused or "/" in names[place]]
    inside = [place for place in used if tops[place].lower() in SPLITS]
    beside = [place for place in used if tops[place].lower() not in SPLITS]
    parts = {canonical(tops[place]) for place in inside}
    other_folders = any(tops[place] for place in beside)
    if not parts or 2 * len(inside) <= len(used) or (len(parts) == 1 and other_folders):
        alike = sorted({top for top in tops if looks_like_one(top)})
        if alike:
            some = ", ".join(f"{shown(top)}/" for top in alike[:4])
            messages.append(
                f"{some} may be meant as splits but are not taken as such: splits are folders called "
                "train, test, val, validation or dev that hold most of the pictures"
            )
        return {}
    if beside:
        messages.append(
            f"{len(beside):,} beside the splits, in none of them and left out: {shown(names[beside[0]])}"
            + (", ..." if len(beside) > 1 else "")
        )
    names_of = np.array([canonical(top) for top in tops])
    return {part: np.intersect1d(np.flatnonzero(names_of == part), inside) for part in sorted(parts)}


def _wanted(splits: dict[str, Ids], split: str | None, name: str, total: int, refused: Mapping[int, str]) -> Ids:
    if split is None:
        if not splits:
            return np.arange(total)
        return np.union1d(np.concatenate(list(splits.values())), np.array(sorted(refused), dtype=np.int64))
    if canonical(split) not in splits:
        known = f"it has {', '.join(splits)}" if splits else "it has no folders named train, test, val, ..."
        raise Unfit(f"split: {name} has no split {split!r}; {known}.")
    return splits[canonical(split)]


def _labels(names: Sequence[str], skip: int, asked: str, name: str) -> tuple[Ids, tuple[str, ...]]:
    """Each picture's topmost folder (below the split's) as its label."""
    if asked != "folder":
        raise Unfit(f"{name} is a folder of pictures: its labels can only be 'folder', not {asked!r}.")
    parts = [path.split("/")[skip:-1] for path in names]
    if not any(parts):
        raise Unfit(f"labels: the pictures in {name} lie in no folders, so there are no folder names to use.")
    return classes_of([inner[0] if inner else None for inner in parts])


def _most(others: Counter[str]) -> str:
    return ", ".join(f"{count:,} {shown(end)}" for end, count in others.most_common(3)) + (
        ", ..." if len(others) > 3 else ""
    )
