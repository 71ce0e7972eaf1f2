"""Pictures in a folder: its names as `listing` has them, and what the folders inside say of them.

A folder of folders called train, test, val, ... is read as splits; other folders can be labels and groups.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from kontrast.data.labels import classes_of
from kontrast.data.names import Names
from kontrast.data.readers.images import of_pictures
from kontrast.data.readers.listing import listed
from kontrast.data.readers.unsurveyed import unsurveyed
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

    start = os.path.join(folder, "")

    def read(sample: int) -> bytes:
        with open(start + names[sample], "rb", buffering=0) as file:
            return file.read()

    source = None if options.survey else unsurveyed(folder, names, read, wanted, refused, options)
    if source is None:
        source = of_pictures(str(folder), names, read, wanted.tolist(), options, refused=refused, folder=folder)
    kept = {name: np.intersect1d(ids, source.ids) for name, ids in splits.items()}
    messages.extend(source.messages)
    return replace(source, labels=labels, classes=classes, groups=groups, splits=kept, messages=tuple(messages))


def _splits(names: Names, refused: Mapping[int, str], messages: list[str]) -> dict[str, Ids]:
    """Ids of each split, where the top folders are named like splits; what lies beside them is in none, and named.

    They are splits if most pictures lie in them, and if there are two of them or no other folder is beside: a folder
    of trains among folders of cars and buses is a class. Where folders look like splits and are none, it is said.
    """
    top_N, tops = names.folders()
    like = np.array([top.lower() in SPLITS for top in tops] + [False])  # the last is that of -1, no folder
    used_N = np.ones(len(names), dtype=bool)
    used_N[[place for place in refused if top_N[place] < 0]] = False
    inside_N, beside_N = used_N & like[top_N], used_N & ~like[top_N]
    parts = {canonical(tops[top]) for top in np.unique(top_N[inside_N])}
    other_folders = bool((top_N[beside_N] >= 0).any())
    if not parts or 2 * inside_N.sum() <= used_N.sum() or (len(parts) == 1 and other_folders):
        alike = sorted({top for top in tops if looks_like_one(top)})
        if alike:
            some = ", ".join(f"{shown(top)}/" for top in alike[:4])
            messages.append(
                f"{some} may be meant as splits but are not taken as such: splits are folders called "
                "train, test, val, validation or dev that hold most of the pictures"
            )
        return {}
    beside = np.flatnonzero(beside_N)
    if len(beside):
        messages.append(
            f"{len(beside):,} beside the splits, in none of them and left out: {shown(names[int(beside[0])])}"
            + (", ..." if len(beside) > 1 else "")
        )
    part_of = np.array([canonical(top) for top in tops] + [""])[top_N]
    return {part: np.flatnonzero(inside_N & (part_of == part)) for part in sorted(parts)}


def _wanted(splits: dict[str, Ids], split: str | None, name: str, total: int, refused: Mapping[int, str]) -> Ids:
    if split is None:
        if not splits:
            return np.arange(total)
        return np.union1d(np.concatenate(list(splits.values())), np.array(sorted(refused), dtype=np.int64))
    if canonical(split) not in splits:
        known = f"it has {', '.join(splits)}" if splits else "it has no folders named train, test, val, ..."
        raise Unfit(f"split: {name} has no split {split!r}; {known}.")
    return splits[canonical(split)]


def _labels(names: Names, skip: int, asked: str, name: str) -> tuple[Ids, tuple[str, ...]]:
    """Each picture's topmost folder (below the split's) as its label."""
    if asked != "folder":
        raise Unfit(f"{name} is a folder of pictures: its labels can only be 'folder', not {asked!r}.")
    folder_N, folders = names.folders(skip)
    if not folders:
        raise Unfit(f"labels: the pictures in {name} lie in no folders, so there are no folder names to use.")
    number, classes = classes_of([*folders, None])
    return number[folder_N], classes


def _most(others: Counter[str]) -> str:
    return ", ".join(f"{count:,} {shown(end)}" for end, count in others.most_common(3)) + (
        ", ..." if len(others) > 3 else ""
    )
