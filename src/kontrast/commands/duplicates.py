"""`kontrast duplicates INDEX`: what is nearly the same, what leaks from one split into another, and where the line is.

Shapes: N rows of the index.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kontrast.commands.outputs import claim_picture, write_picture
from kontrast.commands.training_tables import Row, claim_table, pictures, write_table
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.report.contact_sheet import sheet as drawn
from kontrast.vector_index.layout import Index
from kontrast.vector_index.pairs import LEAST, Near, across, either_side, groups_of, near_pairs, suggested

STEPS = (0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)  # thresholds whose counts are told
SHOWN = 10  # pairs either side of the threshold
LETTERS = 90  # of a text in a list


def duplicates(
    folder: str | Path | Index,
    *,
    threshold: float | None = None,
    by: str | None = None,
    least: float | None = None,
    against: str | Path | None = None,
    sheet: Path | None = None,
    out: Path | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """(what was found, the lines that say it).

    threshold  cosine from which on two rows are the same; None: chosen from the pairs, and said why
    by         "looks": what pictures look like from afar (where the index has pictures); "model": its vectors
    least      cosine from which on pairs are kept, once: thresholds above it need no further scan
    against    an index of other data by the same model: pairs between the two are leaks
    sheet      a picture file with the ten pairs just above the threshold and the ten just below it
    out        a table of all rows with the column `group`, which `train --same group` reads
    """
    index = folder if isinstance(folder, Index) else Index.open(folder)
    other = None if against is None else Index.open(against)
    if threshold is not None and not -1 <= threshold <= 1:
        raise Unfit(f"--threshold {threshold}: a cosine from -1 to 1 was expected.")
    if sheet is not None:
        claim_picture("--sheet", sheet, (index.folder,))
        if not index.meta.thumbnail:
            raise Unfit(f"--sheet draws pictures, and {index.folder} holds none; texts are printed.")
    if out is not None:
        claim_table(out, (index.meta.data,))
        if other is not None:
            raise Unfit("--out writes the groups of one index; leave --against out.")
    by = by or ("looks" if index.meta.thumbnail else "model")
    if by not in LEAST:
        raise Unfit(f"--by {by!r}: {' or '.join(LEAST)} was expected.")
    least = LEAST[by] if least is None else least
    near = near_pairs(index, least if threshold is None else min(least, threshold), other, by=by)
    line, why = (threshold, "as asked") if threshold is not None else suggested(near)
    chosen = near.above(line)
    result, lines = _told(index, other, near, chosen, line, why)
    lines += _either_side(index, other, near, line, sheet)
    if out is not None:
        write_table(out, _rows(index, groups_of(chosen, len(index)), out))
        lines.append(f"wrote    {out}: all rows, equal `group` for the same thing (train --same group)")
    return result, lines


def _told(
    index: Index, other: Index | None, near: Near, chosen: Near, line: float, why: str
) -> tuple[dict[str, Any], list[str]]:
    least = float(near.cosine.min()) - 0.05 if len(near) else 1
    lines = [f"pairs    {len(near):,} are near each other; from a cosine of"]
    lines.append("         " + "   ".join(f"{n:g}: {len(near.above(n)):,}" for n in STEPS if n >= least))
    lines.append(f"line     {line:.3f} ({why}): {len(chosen):,} pairs; move it by --threshold, without another scan")
    result: dict[str, Any] = {"threshold": round(float(line), 4), "why": why, "pairs": len(chosen)}
    ids = index.column("id")
    if other is not None:
        there = other.column("id")
        leaks = [(ids[a], there[b], float(c)) for a, b, c in zip(chosen.first, chosen.second, chosen.cosine)]
        lines.append(
            f"leaks    {len({b for _, b, _ in leaks}):,} of {len(other):,} rows of {other.folder} are here too"
        )
        return {**result, "leaks": leaks}, lines
    group = groups_of(chosen, len(index))
    names, counts = np.unique(group, return_counts=True)
    several = names[counts > 1]
    members = np.isin(group, several)
    by_group: dict[int, list[int]] = {}
    for row in np.flatnonzero(members).tolist():
        by_group.setdefault(int(group[row]), []).append(ids[row])
    lines.append(f"groups   {len(several):,} of two or more, {int(members.sum()):,} of {len(index):,} rows in them")
    result["groups"] = list(by_group.values())
    if "split" in index.columns:
        apart = across(chosen, index.column("split"))
        lines.append(f"leaks    {len(apart):,} pairs lie in two splits")
        result["leaks"] = [(ids[a], ids[b], float(c)) for a, b, c in zip(apart.first, apart.second, apart.cosine)]
    return result, lines


def _either_side(index: Index, other: Index | None, near: Near, line: float, sheet: Path | None) -> list[str]:
    """The pairs that the threshold decides about, as lines and, of pictures, as a sheet."""
    above, below = either_side(near, line, SHOWN)
    second = other or index
    lines, rows = [], []
    for name, some in (("above", above), ("below", below)):
        for a, b, cosine in zip(some.first.tolist(), some.second.tolist(), some.cosine.tolist()):
            left, right = index.called([a])[0], second.called([b])[0]
            lines.append(f"{name}    {cosine:.4f}  {left[:LETTERS]}  |  {right[:LETTERS]}")
            if sheet is not None:
                pair = zip(index.thumbnails([a]) + second.thumbnails([b]), (left, right))
                told = f"{name} {cosine:.4f}"
                rows.append([(_picture(content), f"{told}\n{called[-16:]}") for content, called in pair])
    if sheet is not None and rows:
        half = -(-len(rows) // 2)
        wide = [left + (rows[half + n] if half + n < len(rows) else []) for n, left in enumerate(rows[:half])]
        write_picture(sheet, drawn(wide))
        lines.append(f"sheet    {sheet}: two pairs a row, nearest to the line in the middle")
    return lines


def _rows(index: Index, group: Ids, out: Path) -> Iterator[Row]:
    """All rows with their group, as `train` reads them."""
    picture = None if index.meta.text else pictures(index, out)
    told = [name for name in ("text", "positive", "label", "split") if name in index.columns]
    columns: dict[str, Any] = {name: index.column(name) for name in told}
    if "positive" in columns:
        columns["anchor"] = columns.pop("text")
    for row, own in enumerate(group.tolist()):
        found = {name: values[row] for name, values in columns.items()}
        yield {**({} if picture is None else {"image": picture(row)}), **found, "group": own}


def _picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")
