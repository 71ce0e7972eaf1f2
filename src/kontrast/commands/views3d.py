"""`kontrast views3d CAPTURE --out FOLDER`: posed photos become groups of photos and rendered views, for `train --same`.

    FOLDER/  metadata.csv (a row a picture: object, pair, kind, angle, confidence, depth)   report.html   summary.json
             config.yaml   OBJECT/ photos/ views/ depth/ transforms.json held_out.png pairs.png orbit.webp result.json
             checkpoints/ (while it runs)

A capture is one object; a folder of captures is worked through one after the other. What was interrupted goes on from
its last checkpoint, to the same bits.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import torch

from kontrast import progress
from kontrast.commands.views3d_files import Result, write_object, write_photos, write_table
from kontrast.errors import Failed, Interrupted, Unfit
from kontrast.positives.novel_views import captures, cost
from kontrast.positives.novel_views.captures import LEAST_SIDE, SIDE, Capture
from kontrast.positives.novel_views.fit import BACKGROUNDS, Fit, Plan
from kontrast.positives.novel_views.poses import Wanted
from kontrast.report import novel_views_page
from kontrast.training import checkpoints
from kontrast.training.run_folder import Folder, refuse_taken
from kontrast.training.signals import Signals, caught

GO_ON = "kontrast views3d --resume"
SAVE_EVERY = 120.0  # seconds
FOLDER_PHOTOS = (
    "Real photos of one object are usually the better positives, where there are enough of them: a folder an object, "
    "and kontrast train DATA --same folder."
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What was asked, complete: config.yaml.

    captures  folders;  views  renders of each, 0: pairs of the photos alone, -1: as many as photos
    steps     of each fit; 0: what the trial finds to fit into the minutes;  threads  of torch, which change bits
    expected  what the trial promised, for the comparison at the end
    """

    captures: tuple[str, ...]
    views: int = -1
    angle: str = "5..40"
    minutes: float = 20.0
    poses: str = "auto"
    background: str | None = None
    side: int = SIDE
    seed: int = 0
    steps: int = 0
    threads: int = 0
    expected_minutes: float = 0.0
    expected_psnr: float = 0.0

    def plan(self, capture: Capture) -> Plan:
        """Of the fit of one capture."""
        background = self.background or ("random" if capture.cut_out else "scene")
        return Plan(self.steps, background=background, seed=self.seed)

    def renders(self, capture: Capture) -> int:
        """How many."""
        return len(capture) if self.views < 0 else self.views


def views3d(
    capture: str | None, out: str | None, *, resume: str | None = None, say: Say = lambda text: None, **words: Any
) -> tuple[dict[str, Any], list[str]]:
    """(summary, lines): fit, render, write; `words` are fields of `Asked` but `captures` and `threads`.

    Raises Unfit with a sentence before any work, and Interrupted where a signal came and all is saved.
    """
    if resume is not None:
        if capture is not None or out is not None or words:
            raise Unfit("--resume FOLDER goes on as it was begun: give it no other word.")
        with Folder.open(Path(resume)) as folder:
            said = folder.config()
            asked = Asked(**{**said, "captures": tuple(said["captures"])})
            torch.set_num_threads(asked.threads)
            return _carried_out(folder, asked, _read(asked), say)
    if capture is None or out is None:
        raise Unfit("views3d: a CAPTURE and --out FOLDER were expected, or --resume FOLDER.")
    asked = _checked(Asked(tuple(str(path.resolve()) for path in captures.found(Path(capture))), **words))
    refuse_taken(Path(out), GO_ON)
    read = _read(asked)
    for one in read:
        for message in one.messages:
            say(f"{one.name}: {message}.")
    asked = dataclasses.replace(_priced(asked, read, say), threads=torch.get_num_threads())
    with Folder.create(Path(out), GO_ON) as folder:
        folder.write_yaml("config.yaml", {**dataclasses.asdict(asked), "captures": list(asked.captures)})
        return _carried_out(folder, asked, read, say)


def _checked(asked: Asked) -> Asked:
    Wanted.of(asked.angle)
    if asked.background not in (None, *BACKGROUNDS):
        raise Unfit(f"--background {asked.background}: expected one of {', '.join(BACKGROUNDS)}.")
    if not asked.minutes > 0:
        raise Unfit(f"--minutes {asked.minutes}: a number above 0 was expected.")
    if asked.side < LEAST_SIDE:
        raise Unfit(f"--side {asked.side}: at least {LEAST_SIDE} pixels were expected.")
    return asked


def _read(asked: Asked) -> list[Capture]:
    return [captures.read(Path(path), side=asked.side, poses=asked.poses) for path in asked.captures]


def _priced(asked: Asked, read: Sequence[Capture], say: Say) -> Asked:
    """With the steps of each fit, and what they will cost and reach, which is said before the start."""
    if asked.views == 0 or asked.steps:
        return asked
    say(FOLDER_PHOTOS)
    first = read[0]
    progress.told("trying a field for ten seconds")
    found = cost.tried(first, asked.plan(first).background, asked.seed)
    extra = round(asked.renders(first) + len(first) / 5 + novel_views_page.FRAMES / 4)  # held-out photos, an orbit
    steps = found.affordable(asked.minutes / len(read), extra)
    minutes = found.minutes(steps, extra) * len(read)
    say(
        f"trial    {found.steps} steps reach {found.psnr:.1f} dB on a photo that was held out ({first.name}). All "
        f"{steps:,} steps: about {minutes:.1f} minutes{f' for {len(read)} captures' if len(read) > 1 else ''} and "
        f"{found.expected(steps):.0f} dB, right to about 3 dB."
    )
    return dataclasses.replace(asked, steps=steps, expected_minutes=minutes, expected_psnr=found.expected(steps))


def _carried_out(folder: Folder, asked: Asked, read: Sequence[Capture], say: Say) -> tuple[dict[str, Any], list[str]]:
    try:
        return _all(folder, asked, read, say)
    except Interrupted as problem:
        again = f"Interrupted. Nothing is lost; go on with: {GO_ON} {quote(str(folder.path))}"
        raise Interrupted(again, problem.exit_code) from None


def _all(folder: Folder, asked: Asked, read: Sequence[Capture], say: Say) -> tuple[dict[str, Any], list[str]]:
    begun, results = time.monotonic(), []
    for number, capture in enumerate(read):
        place = folder.path / _called(read, number)
        done = place / "result.json"
        if done.is_file():
            results.append(Result(**json.loads(done.read_text(encoding="utf-8"))))
            continue
        shutil.rmtree(place, ignore_errors=True)  # of an object that was begun
        if asked.views == 0:
            result = write_photos(place, capture, Wanted.of(asked.angle))
        else:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            fit = _fitted(folder, place.name, Fit(capture, asked.plan(capture), device))
            result = write_object(place, fit, asked.renders(capture), Wanted.of(asked.angle), asked.seed)
        folder.write_json(f"{place.name}/result.json", dataclasses.asdict(result))
        shutil.rmtree(folder.path / "checkpoints" / place.name, ignore_errors=True)
        say(result.line())
        results.append(result)
    shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)
    write_table(folder.path, results)
    same = "object" if len(results) > 1 else "pair"
    commands = [f"kontrast train {quote(str(folder.path))} --same {same} --method simclr --out runs/views"]
    summary = _summary(results, time.monotonic() - begun)
    novel_views_page.write(folder.path, [dataclasses.asdict(result) for result in results], commands)
    folder.write_json("summary.json", summary)
    lines = [result.line() for result in results] if len(results) > 1 else []
    lines += [_total(summary, asked), f"next     {commands[0]}", f"page     {folder.path / 'report.html'}"]
    return summary, lines


def _fitted(folder: Folder, name: str, fit: Fit) -> Fit:
    """The fit at its end, from its last checkpoint if there is one; a signal saves it."""
    kept = folder.path / "checkpoints" / name
    if checkpoints.found(kept):
        tensors, state, _ = checkpoints.newest(kept)
        try:
            fit.load(tensors, state)
        except ValueError as problem:
            raise Unfit(f"--resume {folder.path}: {name} cannot go on: {problem}.") from None
    with caught("fitting") as signals, signals.noted():
        _advanced(folder, fit, kept, signals)
    return fit


def _advanced(folder: Folder, fit: Fit, kept: Path, signals: Signals) -> None:
    at, saved = fit.step, time.monotonic()
    while fit.step < fit.plan.steps:
        error = fit.advance()
        progress.told(f"fitting {kept.name}", fit.step, fit.plan.steps)
        if not error < float("inf"):
            raise Failed(f"{kept.name}: the loss at step {fit.step} is no finite number.")
        if signals.code or time.monotonic() - saved > SAVE_EVERY:
            checkpoints.save(kept, *fit.state())
            saved = time.monotonic()
        if signals.code:
            raise signals.interrupted()
    if fit.step > at:  # so that what follows, if it is interrupted, need not fit again
        checkpoints.save(kept, *fit.state())


def _called(read: Sequence[Capture], number: int) -> str:
    """The name of a capture, made its own where two folders are called alike or like one of our files."""
    name = read[number].name
    return f"{name}-{number + 1}" if sum(one.name == name for one in read) > 1 or name == "checkpoints" else name


def _summary(results: Sequence[Result], seconds: float) -> dict[str, Any]:
    fitted = [result for result in results if result.psnr]
    mean: Mapping[str, Any] = {
        name: statistics.mean(statistics.mean(getattr(result, name)) for result in fitted) if fitted else None
        for name in ("psnr", "ssim", "sharpness")
    }
    return {
        "objects": len(results),
        "photos": sum(result.photos for result in results),
        "views": sum(len(result.rows) for result in results) - sum(result.photos for result in results),
        "left_out": sum(result.left_out for result in results),
        "seconds": seconds,
        **mean,
    }


def _total(summary: Mapping[str, Any], asked: Asked) -> str:
    pictures = f"views    {summary['views']:,} of {summary['objects']} objects beside {summary['photos']:,} photos"
    if summary["psnr"] is None:
        return f"{pictures}; no field was fitted"
    minutes, psnr = f"{summary['seconds'] / 60:.1f} minutes", f"held-out photos {summary['psnr']:.1f} dB"
    if asked.expected_minutes:
        minutes += f" ({asked.expected_minutes:.1f} expected)"
        psnr += f" ({asked.expected_psnr:.0f} expected)"
    return (
        f"{pictures}, {summary['left_out']} poor ones left out; {minutes}, {psnr}, SSIM {summary['ssim']:.2f}, "
        f"sharpness {summary['sharpness']:.2f}"
    )
