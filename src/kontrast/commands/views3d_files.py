"""What `views3d` leaves of each object: photos, renders with pose and depth, and pictures to look at.

Shapes: H, W the sides of pictures.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kontrast import files, progress, strict_json
from kontrast.positives.novel_views import confidence, poses
from kontrast.positives.novel_views.cameras import Cameras
from kontrast.positives.novel_views.captures import Capture
from kontrast.positives.novel_views.confidence import Witnesses
from kontrast.positives.novel_views.fit import Fit, laid
from kontrast.positives.novel_views.poses import Wanted
from kontrast.report import novel_views_page
from kontrast.report.contact_sheet import sheet, shown

COLUMNS = ("file_name", "object", "pair", "kind", "photo", "angle", "confidence", "depth")
PAIRS = 6  # rows of the sheet of pairs
ORBIT = 160  # pixels of the longer side of its frames, about


@dataclass(frozen=True)
class Result:
    """One object: the rows of the table, and how good its field is on the photos that were held out.

    left_out   renders that were not written: the field is not sure of them
    psnr, ssim, sharpness   of each held-out photo; empty where no field was fitted
    """

    name: str
    photos: int
    rows: list[dict[str, Any]]
    left_out: int = 0
    steps: int = 0
    held: list[str] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)

    def line(self) -> str:
        """What came of it."""
        views = len(self.rows) - self.photos
        if not self.psnr:
            return f"{self.name}: {self.photos} photos in {len({row['pair'] for row in self.rows})} groups by angle"
        return (
            f"{self.name}: {views} views ({self.left_out} poor ones left out), {self.steps:,} steps; {len(self.held)} "
            f"held-out photos {statistics.mean(self.psnr):.1f} dB ({min(self.psnr):.1f} to {max(self.psnr):.1f}), SSIM "
            f"{statistics.mean(self.ssim):.2f}, sharpness {statistics.mean(self.sharpness):.2f} of the photos'"
        )


def write_object(place: Path, fit: Fit, count: int, wanted: Wanted, seed: int) -> Result:
    """Render and write one object that was fitted."""
    capture = fit.capture
    held = _held_out(place, fit)
    rows = _photo_rows(place, capture, fit.grey)
    drawn = poses.drawn(capture.cameras, count, wanted, seed, fit.looking())
    witnesses, renderer = Witnesses.of(fit), fit.looking()
    frames: list[dict[str, Any]] = []
    shown_pairs: list[list[tuple[Image.Image, str]]] = []
    for number in progress.passing(range(len(drawn.cameras)), f"rendering {capture.name}"):
        seen = renderer.picture(drawn.cameras, number, fit.grey)
        sure = witnesses.confidence(seen, drawn.cameras, number)
        if sure < confidence.LEAST:
            continue
        anchor, name = drawn.anchor_N[number], f"{number:04d}"
        _save(place / "views" / f"{name}.png", shown(seen.colour.permute(2, 0, 1)))
        _save_depth(place / "depth" / f"{name}.npy", seen.depth)
        row = rows[anchor] | {"file_name": f"{place.name}/views/{name}.png", "kind": "view"}
        row |= {"angle": round(drawn.angle_N[number], 2), "confidence": round(sure, 3)}
        rows.append(row | {"depth": f"{place.name}/depth/{name}.npy"})
        frames.append(_frame(drawn.cameras, number, name))
        if len(shown_pairs) < PAIRS:
            words = f"turned by {row['angle']:.0f}°\nconfidence {sure:.2f}"
            photo = shown(fit.photo(anchor).permute(2, 0, 1))
            depth = novel_views_page.depth_picture(seen.depth.numpy(), seen.light.numpy())
            shown_pairs.append(
                [(photo, capture.names[anchor]), (shown(seen.colour.permute(2, 0, 1)), words), (depth, "its depth")]
            )
    files.write(place / "transforms.json", strict_json.dumps({"frames": frames}, indent=1))
    if shown_pairs:
        _save(place / "pairs.png", sheet(shown_pairs))
    _orbit(place, fit)
    return Result(capture.name, len(capture), rows, count - len(frames), fit.plan.steps, **held)


def write_photos(place: Path, capture: Capture, wanted: Wanted) -> Result:
    """Photos alone, in pairs by angle: each with the one that is nearest within the angles and has no partner yet."""
    rows = _photo_rows(place, capture, 1.0)
    towards_V3 = capture.cameras.position_V3 - capture.cameras.focus()
    left = list(range(len(capture)))
    while left:
        first = left.pop(0)
        angle_V = poses.angle_between(towards_V3[left], towards_V3[first]).tolist()
        fit = [(angle, view) for angle, view in zip(angle_V, left) if wanted.low <= angle <= wanted.high]
        if fit:
            angle, second = min(fit)
            left.remove(second)
            rows[second] |= {"pair": rows[first]["pair"], "angle": round(angle, 2)}
    return Result(capture.name, len(capture), rows)


def write_table(folder: Path, results: Sequence[Result]) -> None:
    """metadata.csv, a row a picture."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for result in results:
        table.writerows(result.rows)
    files.write(folder / "metadata.csv", text.getvalue())


def _photo_rows(place: Path, capture: Capture, grey: float) -> list[dict[str, Any]]:
    rows = []
    for view, name in enumerate(capture.names):
        photo = laid(capture.photo_VHWC[view].float() / 255, grey)
        _save(place / "photos" / f"{view:04d}.png", shown(photo.permute(2, 0, 1)))
        row = {"file_name": f"{place.name}/photos/{view:04d}.png", "object": place.name, "kind": "photo"}
        rows.append(
            row | {"pair": f"{place.name}/{view:04d}", "photo": name, "angle": 0.0, "confidence": 1.0, "depth": ""}
        )
    return rows


def _held_out(place: Path, fit: Fit) -> dict[str, list[Any]]:
    """Scores of the held-out photos; their sheet: photo, render, error, depth."""
    told: dict[str, list[Any]] = {"held": [], "psnr": [], "ssim": [], "sharpness": []}
    rows = []
    for view, seen, score in progress.passing(fit.looks(), "looking at held-out photos", total=len(fit.held)):
        photo, name = fit.photo(view), fit.capture.names[view]
        for key, value in zip(told, (name, score.psnr, score.ssim, score.sharpness)):
            told[key].append(value)
        error = 1 - (3 * (photo - seen.colour).abs().mean(-1)).clamp(0, 1)
        rows.append(
            [
                (shown(photo.permute(2, 0, 1)), name),
                (shown(seen.colour.permute(2, 0, 1)), f"{score.psnr:.1f} dB, SSIM {score.ssim:.2f}"),
                (shown(error[None]), "error, 3 times"),
                (novel_views_page.depth_picture(seen.depth.numpy(), seen.light.numpy()), "depth"),
            ]
        )
    _save(place / "held_out.png", sheet(rows))
    return told


def _orbit(place: Path, fit: Fit) -> None:
    cameras = fit.capture.cameras
    cameras = cameras.smaller(max(1, round(max(cameras.width, cameras.height) / ORBIT)))
    way, renderer = poses.orbit(cameras, novel_views_page.FRAMES), fit.looking()
    pictures = [
        shown(renderer.picture(way, number, fit.grey).colour.permute(2, 0, 1))
        for number in progress.passing(range(len(way)), "rendering an orbit")
    ]
    with files.whole(place / "orbit.webp") as part:
        pictures[0].save(part, save_all=True, append_images=pictures[1:], duration=90, loop=0, quality=80)


def _frame(cameras: Cameras, view: int, name: str) -> dict[str, Any]:
    """A frame of transforms.json."""
    (across, down), (x, y) = cameras.focal_V2[view].tolist(), cameras.centre_V2[view].tolist()
    lens = {"fl_x": across, "fl_y": down, "cx": x, "cy": y, "w": cameras.width, "h": cameras.height}
    pose: list[list[float]] = cameras.pose_V44[view].tolist()
    return {"file_path": f"views/{name}.png", "depth_file_path": f"depth/{name}.npy", "transform_matrix": pose, **lens}


def _save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as part:
        picture.save(part)


def _save_depth(path: Path, depth: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as part:
        np.save(part, depth.to(torch.float32).numpy())
