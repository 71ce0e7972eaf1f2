"""The page of `kontrast views3d`: held-out photos beside their renders, pairs, and a way around each object."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kontrast import files
from kontrast.report import sections

FRAMES = 24  # of an orbit
HELD = "Photos that the field never saw, what it renders from their places, where the two differ (white: nowhere), and "
HELD += "how far things are (light: near)."
PAIRS = "Each row is a photo, and a view that was rendered from a place near it: a positive pair."


def write(folder: Path, results: Sequence[Mapping[str, Any]], commands: Sequence[str]) -> None:
    """Write report.html of a folder of `views3d`, of its results and the pictures in it: one offline file.

    results   of each object: name, photos, rows, left_out, held, psnr, ssim, sharpness
    """
    parts = []
    for result in results:
        place, name = folder / result["rows"][0]["object"], escape(result["name"])
        parts += [
            _picture(f"{name}: held-out photos", HELD, place / "held_out.png", "image/png"),
            _picture(f"{name}: positive pairs", PAIRS, place / "pairs.png", "image/png"),
            _picture(f"{name}: a way around it", "", place / "orbit.webp", "image/webp"),
        ]
    fitted = [result for result in results if result["psnr"]]
    page = Template(resources.files("kontrast.report").joinpath("page.html").read_text("utf-8")).substitute(
        title="Novel views",
        subtitle=escape(
            f"{len(results)} object{'s' * (len(results) != 1)}: {', '.join(r['name'] for r in results[:8])}"
        ),
        mood="unsure" if not fitted else "good" if _mean(fitted, "psnr") >= 20 else "bad",
        headline=escape(_headline(results, fitted)),
        verdict="<p>Real photos of one object are usually the better positives, where there are enough of them.</p>",
        facts="",
        sections="\n".join([*parts, sections.commands(commands)]),
        script="",
        k=8,
    )
    files.write(folder / "report.html", page)


def depth_picture(depth_HW: npt.NDArray[np.float32], light_HW: npt.NDArray[np.float32]) -> Image.Image:
    """Nearness as grey: white near, black far; white, too, where there is nothing to be far."""
    near = 1 / np.maximum(depth_HW, 1e-6)
    there = light_HW > 0.5
    low, high = np.quantile(near[there], (0.02, 0.98)) if there.any() else (0.0, 1.0)
    grey = np.clip((near - low) / max(high - low, 1e-9), 0, 1) * 0.85 + 0.05
    return Image.fromarray((np.where(there, grey, 1.0) * 255).astype(np.uint8)).convert("RGB")


def _headline(results: Sequence[Mapping[str, Any]], fitted: Sequence[Mapping[str, Any]]) -> str:
    photos = sum(result["photos"] for result in results)
    views = sum(len(result["rows"]) for result in results) - photos
    if not fitted:
        return f"{photos:,} photos in pairs by angle; nothing was rendered."
    return (
        f"{views:,} rendered views beside {photos:,} photos. On photos that were held out: {_mean(fitted, 'psnr'):.1f} "
        f"dB, SSIM {_mean(fitted, 'ssim'):.2f}, {_mean(fitted, 'sharpness'):.2f} of the photos' sharpness. "
        f"{sum(result['left_out'] for result in results):,} poor views were left out."
    )


def _mean(results: Sequence[Mapping[str, Any]], name: str) -> float:
    return statistics.fmean(value for result in results for value in result[name])


def _picture(title: str, caption: str, path: Path, kind: str) -> str:
    if not path.is_file():
        return ""
    uri = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    words = f"<p>{escape(caption)}</p>" if caption else ""
    return f'<section><h2>{title}</h2>{words}<div class="sheet"><img src="{uri}" alt="{title}"></div></section>'
