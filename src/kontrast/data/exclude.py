"""Samples that are left out by name: a text file with a name a line, as `kontrast check` writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kontrast.data.pixels.store import Skipped
from kontrast.data.source import Source, fingerprint
from kontrast.errors import Unfit, shown


def without(source: Source, file: str | Path) -> Source:
    """The same samples under the same ids, of which the named ones are not used.

    Names are those of the listing: paths inside the folder, or `row 12` of a table. Unfit where none of them is there.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, ValueError) as problem:
        raise Unfit(f"--exclude {file} cannot be read: {getattr(problem, 'strerror', None) or problem}.") from None
    wanted = {line.strip() for line in lines} - {""}
    if not wanted:
        return source
    found = [sample for sample, name in enumerate(source.names) if name in wanted]
    if not found:
        example = shown(next(iter(sorted(wanted))))
        raise Unfit(f"--exclude {file}: none of its {len(wanted):,} names is in {source.name}; the first is {example}.")
    ids = np.setdiff1d(source.ids, found)
    if not len(ids):
        raise Unfit(f"--exclude {file} leaves nothing of {source.name}.")
    gone = [sample for sample in found if sample not in {one.id for one in source.skipped}]
    told = f"{len(found):,} left out by --exclude {file}"
    told += f"; {len(wanted) - len(found):,} of its names are not here" if len(wanted) > len(found) else ""
    return replace(
        source,
        ids=ids,
        splits={name: np.setdiff1d(part, found) for name, part in source.splits.items()},
        skipped=(*source.skipped, *(Skipped(i, source.names[i], "left out by --exclude") for i in gone)),
        fingerprint=fingerprint(source.names, {}, source.fingerprint, found),
        messages=(*source.messages, told),
    )
