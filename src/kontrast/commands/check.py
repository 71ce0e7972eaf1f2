"""`kontrast check DATA`: fit or not, what will go wrong, which settings suit, and how long it will take."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kontrast import files
from kontrast.check import expected, findings
from kontrast.check.findings import Findings
from kontrast.commands.outputs import claim_picture, claimed, write_picture
from kontrast.commands.training_tables import Row, claim_table, write_table
from kontrast.data.source import Source
from kontrast.distributed import processes
from kontrast.errors import Failed, Unfit, shown
from kontrast.recipes.rules import power_of_two
from kontrast.report.contact_sheet import sheet as drawn
from kontrast.report.contact_sheet import shown as as_picture
from kontrast.run.advice import advised, method_for
from kontrast.run.trial import estimated
from kontrast.settings import Settings, checked

SHOWN = 5  # names that are told of each kind
SHEET = 8  # pictures in a row of the sheet
BATCHES = (64, 256)  # beside the run's own
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What `kontrast check` was asked for beside the data.

    against  other data that must share nothing with these;  near  likeness from which on two are nearly the same
    model    a run or model folder whose vectors say what is nearly the same;  seconds  of the trial; 0: none
    sheet    a picture of what was found;  groups  a table for `train --same group`;  exclude  a file for `--exclude`
    """

    against: str | None = None
    near: float | None = None
    model: str | None = None
    seconds: float = 10.0
    sheet: Path | None = None
    groups: Path | None = None
    exclude: Path | None = None


def check(data: Any, settings: Settings, wanted: Wanted, say: Say) -> tuple[dict[str, Any], int]:
    """(the findings as JSON, exit code 0, or 2 where the data are unfit); the lines go to `say`."""
    checked(settings)
    _claimed(data, wanted)
    if wanted.near is not None and not 0 < wanted.near <= 1:
        raise Unfit(f"--near {wanted.near}: a likeness above 0 and up to 1 was expected.")
    source = findings.opened(data, settings)
    for line in (f"{shown(source.name)}: {source.called}", *source.messages):
        say(f"data     {line}")
    against = None if wanted.against is None else findings.opened(wanted.against, replace(settings, split=None))
    found = findings.find(source, against, wanted.near, wanted.model)
    result = findings.numbers(found)
    for line in _told(found, result):
        say(line)
    usable = source.part(found.ids)
    device = processes.device(settings.device)
    batch = settings.batch_size or min(512, power_of_two(len(found.ids) / 4))
    result["false_negatives"] = _false_negatives(found, sorted({*BATCHES, batch}))
    share = expected.rows(found.group_M, batch) / max(1, min(batch, len(found.ids)))
    method, why = (settings.method, "as you say") if settings.method else method_for(source, share)
    result["unfit"] = found.unfit()
    try:
        result["advice"] = advised(usable, settings, method, why, device)
        own = result["advice"].get("batch_size", {"value": batch})["value"]
        result["false_negatives"] |= _false_negatives(found, [own])
        result["estimate"] = _estimate(usable, replace(settings, method=method), wanted, found) or None
    except (Unfit, Failed) as problem:
        result["unfit"].append(f"no run can be made of them: {problem}")
    for line in _plan(result, wanted):
        say(line)
    for line in _written(found, data, wanted):
        say(line)
    unfit = result["unfit"]
    say(f"unfit    {'; '.join(unfit)}" if unfit else "fit      nothing here keeps a run from learning")
    result["fit"] = not unfit
    return result, Unfit.exit_code if unfit else 0


def _claimed(data: Any, wanted: Wanted) -> None:
    """Unfit where something may not be written, before anything is read."""
    if wanted.sheet is not None:
        claim_picture("--sheet", wanted.sheet, (data,))
    if wanted.groups is not None:
        claim_table(wanted.groups, (data,))
    if wanted.exclude is not None:
        claimed("--broken", wanted.exclude, (data,), lambda path: path.suffix == ".txt")


def _told(found: Findings, result: dict[str, Any]) -> Iterator[str]:
    names, seen = found.source.names, found.looked
    yield f"usable   {result['usable']:,} of {result['samples']:,}"
    for number, (sample, why) in enumerate(sorted(found.broken.items())):
        if number == SHOWN:
            yield f"         and {len(found.broken) - SHOWN:,} more; --broken FILE lists all"
            break
        yield f"broken   {shown(names[sample])}: {why}"
    if seen is not None and len(found.ids):
        sizes = sorted(result["sizes"].items(), key=lambda one: -one[1])
        more = f" and {len(sizes) - 3:,} other sizes" if len(sizes) > 3 else ""
        yield f"pictures {', '.join(f'{size} ({many:,})' for size, many in sizes[:3])}{more}"
        depth = f"{result['channels']} channels, {result['bits']}-bit, values to {found.source.highest:,}"
        yield f"         {depth}; {result['grey']:,} without colour"
        for kind in ("dark", "one_colour", "blurred"):
            if some := result[kind]:
                yield f"odd      {len(some):,} {kind.replace('_', ' ')}: {', '.join(map(shown, some[:3]))}"
    if found.read is not None:
        words = result["words"]
        yield (
            f"texts    {result['texts']:,}, of {words['shortest']} to {words['longest']} words, half have at most "
            f"{words['middle']}; {result['one_word']:,} samples with one word; {result['repeated_texts']:,} repeats"
        )
        if result["over_77_tokens"]:
            yield f"         {result['over_77_tokens']:,} have one longer than 77 tokens, where CLIP cuts"
    yield f"repeats  {result['exact_repeats']:,} exact; {result['near_pairs']:,} pairs alike by {found.line:g} or more"
    for group in found.repeats()[:3]:
        yield f"         {', '.join(shown(names[i]) for i in group[:4])}{' ...' if len(group) > 4 else ''}"
    yield from (f"         {problem}" for problem in found.unlooked)
    if counts := result["labels"]:
        fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        ends = f"{shown(fewest)} has {counts[fewest]:,}, {shown(most)} {counts[most]:,}"
        yield f"labels   {len(counts):,} classes; {ends}"
    if "groups" in result:
        groups = result["groups"]
        yield f"groups   {groups['count']:,}, of {groups['smallest']:,} to {groups['largest']:,} samples"
    if found.leaks:
        exact, nearly = (len(found.leaks[kind]) for kind in ("exact", "near"))
        result["leaks"] = found.leaks
        yield f"leaks    {exact:,} samples of the other data are here too, and {nearly:,} nearly"


def _false_negatives(found: Findings, batches: list[int]) -> dict[str, Any]:
    """By batch: pairs of one thing that the loss will push apart, and rows with one. Those of one group are masked."""
    group_M, own = found.group_M, found.source.groups
    both = group_M if own is None else np.unique(np.stack([group_M, own[found.ids]]), axis=1, return_inverse=True)[1]
    labels = None if found.source.labels is None else found.source.labels[found.ids]
    told = {}
    for batch in (batch for batch in batches if 2 <= batch <= len(found.ids)):
        pairs = expected.pairs(group_M, batch) - (0.0 if own is None else expected.pairs(both, batch))
        told[str(batch)] = {"pairs": round(pairs, 4), "rows": round(expected.rows(group_M, batch), 4)}
        if labels is not None and (labels >= 0).all():
            told[str(batch)]["pairs_of_one_label"] = round(expected.pairs(labels, batch), 4)
    return told


def _estimate(usable: Source, asked: Settings, wanted: Wanted, found: Findings) -> dict[str, Any]:
    decoding = 0.0 if found.looked is None else found.looked.seconds
    return estimated(usable, asked, wanted.seconds, decoding) if wanted.seconds > 0 else {}


def _plan(result: dict[str, Any], wanted: Wanted) -> Iterator[str]:
    for batch, count in result["false_negatives"].items():
        of_label = f"; {count['pairs_of_one_label']:,.0f} of one label" if "pairs_of_one_label" in count else ""
        yield f"expect   {count['pairs']:.3g} pairs of the same thing in a batch of {batch}{of_label}"
    for name, advice in result.get("advice", {}).items():
        value = f"{advice['value']:g}" if isinstance(advice["value"], float) else advice["value"]
        yield f"advice   {name.replace('_', ' ')} {value}: {advice['reason']}"
    if took := result.get("estimate"):
        yield (
            f"time     about {_span(took['seconds'])} on {took['device']}: {took['steps']:,} steps of "
            f"{1000 * took['seconds_per_step']:,.0f} ms ({took['measured_steps']:,} measured), without the evaluation "
            f"at the end; about {took['memory_bytes'] / 2**30:.1f} GiB of memory"
        )
        yield from (f"         {line}" for line in took["messages"])


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _written(found: Findings, data: Any, wanted: Wanted) -> Iterator[str]:
    """Write what was asked for."""
    if wanted.exclude is not None:
        names = [found.source.names[sample] for sample in sorted(found.broken)]
        files.write(wanted.exclude, "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
        yield f"wrote    {wanted.exclude}: {len(names):,} names for train --exclude"
    if wanted.groups is not None:
        write_table(wanted.groups, _grouped(found, data, wanted.groups))
        yield f"wrote    {wanted.groups}: all usable samples; train it with --same group"
    if wanted.sheet is not None:
        rows = [row for row in _rows(found) if row]
        if not rows:
            yield f"sheet    {wanted.sheet} is not written: there is nothing to show"
            return
        write_picture(wanted.sheet, drawn(rows))
        yield f"sheet    {wanted.sheet}"


def _grouped(found: Findings, data: Any, out: Path) -> Iterator[Row]:
    """A row for each usable picture: itself or its file, its label, and its group."""
    source, folder = found.source, Path(str(data))
    if source.pictures is None or not (folder.is_dir() or out.suffix == ".parquet"):
        raise Unfit("--groups: groups are for pictures, in a folder or in a .parquet file that is written as .parquet.")
    picture = _files(source, folder, out) if folder.is_dir() else _cells(folder)
    for sample, group in zip(found.ids.tolist(), found.group_M.tolist()):
        row = {"image": picture(sample)}
        if source.labels is not None:
            label = int(source.labels[sample])
            row["label"] = source.classes[label] if label >= 0 else None
        yield {**row, "group": group}


def _files(source: Source, folder: Path, out: Path) -> Callable[[int], Any]:
    if out.suffix == ".parquet":
        return lambda sample: {"bytes": (folder / source.names[sample]).read_bytes(), "path": source.names[sample]}
    here = Path(os.path.realpath(out.parent))
    if not Path(os.path.realpath(folder)).is_relative_to(here):
        raise Unfit(f"--groups {out}: a .csv names pictures by their files and must lie in {folder} or above it.")
    return lambda sample: os.path.relpath(os.path.realpath(folder / source.names[sample]), here)


def _cells(table: Path) -> Callable[[int], Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = next((field.name for field in pq.read_schema(table) if pa.types.is_struct(field.type)), None)
    if name is None:
        raise Unfit(f"--groups: {table} has no column with pictures in it.")
    column = pq.read_table(table, columns=[name]).column(0)
    return lambda sample: column[sample].as_py()


def _rows(found: Findings) -> Iterator[list[Any]]:
    """Rows of the sheet: what is exactly or nearly the same, then what is odd."""
    if found.looked is None:
        return
    for group in sorted(found.repeats(), key=len, reverse=True)[:SHEET]:
        yield [_cell(found.source, sample, "the same") for sample in group[:SHEET]]
    for kind, ids in findings.odd(found.looked).items():
        yield [_cell(found.source, sample, kind.replace("_", " ")) for sample in ids[:SHEET]]


def _cell(source: Source, sample: int, why: str) -> Any:
    pixels = source.images([sample])[0].to(torch.float32) / source.white
    return as_picture(pixels), f"{why}\n{shown(source.names[sample])[-18:]}"
