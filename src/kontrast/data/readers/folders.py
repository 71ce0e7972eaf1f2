"""Pictures in a folder: one pass over the names, sorted, and nothing from outside the folder.

The listing is sorted by the bytes of the path inside the folder, so it is the same on every machine and in every
language. Hidden files and folders are left out. A folder of folders called train, test, val, ... is read as splits.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kontrast import progress
from kontrast.data.readers.images import of_pictures
from kontrast.data.source import SPLITS, Options, Source, numbered, split_name
from kontrast.errors import Unfit
from kontrast.keyed import Ids


def extensions() -> frozenset[str]:
    """Endings of the names that Pillow can read as pictures."""
    Image.init()
    readable = {end for end, name in Image.registered_extensions().items() if name in Image.OPEN}
    return frozenset(readable - {".pdf", ".mpg", ".mpeg", ".h5", ".hdf"})


def from_folder(folder: Path, options: Options) -> Source:
    """All pictures in a folder, at any depth."""
    names, refused, others = listed(folder)
    if not names:
        saw = f" (it holds {sum(others.values()):,} other files: {_most(others)})" if others else ""
        raise Unfit(f"{folder} holds no pictures{saw}; it or its folders need files such as .jpg or .png.")
    splits, stray, unlike = _splits(names, refused)
    refused, parts = {**refused, **stray}, int(bool(splits))
    wanted = _wanted(splits, options.split, str(folder), len(names))
    messages = [f"{sum(others.values()):,} files that are not pictures left aside: {_most(others)}"] if others else []
    labels = groups = None
    classes: tuple[str, ...] = ()
    if options.labels is not None:
        labels, classes = _labels(names, parts, options.labels, str(folder))
        messages.append(f"labels for evaluation only: {len(classes):,} folders")
    if options.same is not None:
        groups, named = _labels(names, parts, options.same, str(folder))
        alone = groups < 0
        groups[alone] = len(named) + np.flatnonzero(alone)  # a picture in no folder is a group of its own
        messages.append(f"positives from the same folder: {len(named):,} groups")
    messages += [unlike] if unlike else []
    if splits:
        chosen = f"{split_name(options.split)} chosen" if options.split else "all taken"
        messages.append("splits by folder: " + ", ".join(f"{k} {len(v):,}" for k, v in splits.items()) + f"; {chosen}")

    def read(sample: int) -> bytes:
        return (folder / names[sample]).read_bytes()

    source = of_pictures(
        str(folder), names, read, wanted.tolist(), options, refused=refused, folder=folder, messages=messages
    )
    kept = {name: np.intersect1d(ids, source.ids) for name, ids in splits.items()}
    return replace(source, labels=labels, classes=classes, groups=groups, splits=kept)


def listed(folder: Path) -> tuple[list[str], dict[int, str], Counter[str]]:
    """Sorted picture names inside the folder, those that must not be opened (place -> why), and other endings."""
    root = os.path.realpath(folder)
    known, links, others = extensions(), {}, Counter[str]()
    found: list[str] = []
    todo = [""]
    while todo:
        inside = todo.pop()
        progress.told("listing files", len(found))
        try:
            entries = list(os.scandir(os.path.join(root, inside)))
        except OSError as error:
            raise Unfit(f"{folder}: the folder {inside or '.'} cannot be listed ({error.strerror}).") from None
        for entry in entries:
            name = inside + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                reason = _link(root, entry.path)
                if reason:
                    links[name] = reason
                    found.append(name)
                    continue
            if entry.is_dir():
                todo.append(name + "/")
            elif os.path.splitext(name)[1].lower() not in known:
                others[os.path.splitext(name)[1].lower() or "no ending"] += 1
            elif entry.is_file():
                found.append(name)
    found.sort(key=os.fsencode)
    return found, {place: links[name] for place, name in enumerate(found) if name in links}, others


def _link(root: str, path: str) -> str:
    """Why a symbolic link is not followed; empty if it may be."""
    target = os.path.realpath(path)
    if target != root and not target.startswith(root + os.sep):
        return "a link to a place outside the folder"
    if os.path.isdir(target):
        return "a link to a folder, which may hold itself"
    return "" if os.path.exists(target) else "a link to nothing"


def _splits(names: Sequence[str], refused: Mapping[int, str]) -> tuple[dict[str, Ids], dict[int, str], str]:
    """(ids of each split; pictures in none of them and why; what to say where folders look like splits and are none).

    Folders called train, Test, validation, ... are splits where nothing else lies beside them: no other folder, and
    beside two or more of them no more than a few pictures, which then belong to none.
    """
    tops = {n: name.split("/", 1)[0] if "/" in name else "" for n, name in enumerate(names) if n not in refused}
    folders = {top for top in tops.values() if top}
    like = sorted(top for top in folders if top.lower() in SPLITS)
    stray = [n for n, top in tops.items() if not top]
    if not like:
        return {}, {}, ""
    if set(like) != folders or len(stray) >= (len(tops) / 2 if len(like) > 1 else 1):
        beside = ", ".join(sorted(folders - set(like))[:3]) or f"{len(stray):,} pictures"
        return {}, {}, f"not taken as splits: {', '.join(like)}, because of what lies beside: {beside}"
    parts = {
        name: np.array([n for n, top in tops.items() if top and split_name(top) == name])
        for name in sorted({split_name(top) for top in like})
    }
    return parts, dict.fromkeys(stray, f"it lies beside the splits {', '.join(parts)} and is in none of them"), ""


def _wanted(splits: dict[str, Ids], split: str | None, name: str, total: int) -> Ids:
    if split is None:
        return np.arange(total)
    if split_name(split) not in splits:
        known = f"it has {', '.join(splits)}" if splits else "it has no folders named train, test, val, ..."
        raise Unfit(f"split: {name} has no split {split!r}; {known}.")
    return splits[split_name(split)]


def _labels(names: Sequence[str], skip: int, asked: Any, name: str) -> tuple[Any, tuple[str, ...]]:
    """Each picture's topmost folder (below the split's) as its label."""
    if not isinstance(asked, str) or asked != "folder":
        raise Unfit(f"{name} is a folder of pictures: its labels can only be 'folder', not {asked!r}.")
    parts = [path.split("/")[skip:-1] for path in names]
    if not any(parts):
        raise Unfit(f"labels: the pictures in {name} lie in no folders, so there are no folder names to use.")
    return numbered([inner[0] if inner else None for inner in parts])


def _most(others: Counter[str]) -> str:
    return ", ".join(f"{count:,} {end}" for end, count in others.most_common(3)) + (", ..." if len(others) > 3 else "")
