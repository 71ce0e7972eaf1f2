"""Scenes that are known exactly: spheres and boxes, drawn by formulas in NumPy, with the cameras that saw them.

For tests and benchmarks of novel views. It shares no code with what it tests: intersections are solved, not marched;
cameras are written down here anew. `capture` leaves what instant-ngp would: photos and transforms.json.

Shapes: P pixels, S solids.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
LIGHT = np.array([0.4, 0.8, 0.45]) / np.linalg.norm([0.4, 0.8, 0.45])
SUB = 2  # rays a pixel along each side, so that edges are smooth


@dataclass(frozen=True)
class Solid:
    """A sphere (size: radius) or a box (size: half its sides), with two colours in stripes along an axis."""

    kind: str
    centre: tuple[float, float, float]
    size: float | tuple[float, float, float]
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    axis: int = 1
    width: float = 0.35


def pose(position: Array, target: Array, up: Array | None = None) -> Array:
    """Camera to world in OpenGL's axes, of a camera at a position that looks at a target."""
    back = (position - target) / np.linalg.norm(position - target)
    right = np.cross(np.array([0.0, 1.0, 0.0]) if up is None else up, back)
    right /= np.linalg.norm(right)
    made = np.eye(4)
    made[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    made[:3, 3] = position
    return made


def ring(count: int, distance: float = 4.0, seed: int = 0, heights: tuple[float, float] = (-0.2, 0.8)) -> list[Array]:
    """Poses about the origin: angles of the golden ratio, heights drawn in turn."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        around = 2 * np.pi * (number * 0.618034 + draw.uniform(-0.02, 0.02))
        height = heights[0] + (heights[1] - heights[0]) * ((number + 0.5) / count)
        level = np.sqrt(1 - min(0.95, height * height))
        made.append(pose(distance * np.array([level * np.cos(around), height, level * np.sin(around)]), np.zeros(3)))
    return made


def seen(solids: list[Solid], camera: Array, side: int, focal: float) -> tuple[Array, Array, Array]:
    """(colour (H, W, 3), opacity (H, W), distance along the camera's axis (H, W), inf where nothing is)."""
    step = (np.arange(side * SUB) + 0.5) / SUB
    x, y = np.meshgrid(step, step)
    local = np.stack([(x - side / 2) / focal, -(y - side / 2) / focal, -np.ones_like(x)], axis=-1).reshape(-1, 3)
    ray = local @ camera[:3, :3].T  # of length 1 along the axis, so that its multiples are depths
    nearest, colour = np.full(len(ray), np.inf), np.zeros((len(ray), 3))
    for solid in solids:
        away, normal = _hit(solid, camera[:3, 3], ray)
        front = away < nearest
        nearest[front] = away[front]
        place = camera[:3, 3] + ray[front] * away[front, None] - np.array(solid.centre)
        stripe = np.floor(place[:, solid.axis] / solid.width).astype(int) % 2 == 0
        shade = 0.45 + 0.55 * np.clip(normal[front] @ LIGHT, 0, 1)
        colour[front] = np.where(stripe[:, None], solid.first, solid.second) * shade[:, None]

    def mean(values: Array) -> Array:
        return values.reshape(side, SUB, side, SUB, -1).mean(axis=(1, 3))

    held = np.isfinite(nearest).astype(float)
    opacity = mean(held)[..., 0]
    depth = mean(np.where(held > 0, nearest, 0.0))[..., 0] / np.maximum(opacity, 1e-9)
    return mean(colour) / np.maximum(opacity, 1e-9)[..., None], opacity, np.where(opacity > 0.99, depth, np.inf)


def _hit(solid: Solid, origin: Array, ray: Array) -> tuple[Array, Array]:
    """Where rays enter a solid (P,), inf where they miss it, and its normal there (P, 3)."""
    start = origin - np.array(solid.centre)
    if solid.kind == "sphere":
        a, b, c = (ray * ray).sum(1), ray @ start, start @ start - float(solid.size) ** 2
        root = b * b - a * c
        away = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        away[away <= 0] = np.inf
        normal = (start + ray * np.where(np.isfinite(away), away, 0)[:, None]) / solid.size
        return away, normal
    half = np.array(solid.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (-half - start) / ray, (half - start) / ray
    enter, leave = np.minimum(one, two), np.maximum(one, two)
    away = enter.max(1)
    away = np.where((away < leave.min(1)) & (away > 0), away, np.inf)
    face = enter.argmax(1)
    normal = np.zeros_like(ray)
    normal[np.arange(len(ray)), face] = -np.sign(ray[np.arange(len(ray)), face])
    return away, normal


def drawn(seed: int, count: int = 4) -> list[Solid]:
    """An object of a few solids about the origin, within a distance of about 1.3."""
    draw = np.random.default_rng(seed)
    solids = []
    for number in range(count):
        centre = tuple(draw.uniform(-0.6, 0.6, 3)) if number else (0.0, 0.0, 0.0)
        kind = "sphere" if draw.uniform() < 0.5 else "box"
        size = draw.uniform(0.35, 0.6) if kind == "sphere" else tuple(draw.uniform(0.2, 0.55, 3))
        colours = [tuple(draw.uniform(0.05, 1.0, 3)) for _ in range(2)]
        solids.append(Solid(kind, centre, size, *colours, axis=int(draw.integers(3)), width=draw.uniform(0.2, 0.5)))
    return solids


def capture(folder: Path, solids: list[Solid], poses: list[Array], side: int = 64, *, transparent: bool = True) -> Path:
    """Photos and transforms.json of a scene, in a folder that is made; before white where they are not transparent."""
    focal = 1.1 * side
    (folder / "images").mkdir(parents=True)
    frames = []
    for number, camera in enumerate(poses):
        colour, opacity, _ = seen(solids, camera, side, focal)
        layers = np.concatenate([colour, opacity[..., None]], axis=-1)
        if not transparent:
            layers = colour * opacity[..., None] + 1 - opacity[..., None]
        name = f"images/{number:03d}.png"
        Image.fromarray(np.rint(layers * 255).astype(np.uint8)).save(folder / name)
        frames.append({"file_path": name, "transform_matrix": camera.tolist()})
    said = {"fl_x": focal, "fl_y": focal, "cx": side / 2, "cy": side / 2, "w": side, "h": side, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(said))
    return folder
