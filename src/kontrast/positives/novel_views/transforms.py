"""`transforms.json`, as instant-ngp, nerfstudio and NeRF's Blender scenes write it: camera to world, OpenGL axes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kontrast.errors import Unfit
from kontrast.positives.novel_views.frames import Frame, Lens, Matrix, lens_of

FILES = ("transforms.json", "transforms_train.json")
ENDINGS = ("", ".png", ".jpg", ".jpeg")  # Blender's scenes leave the ending out


def read(path: Path) -> list[Frame]:
    """The frames of a file, by name; what a frame says of its lens wins over what the file says for all."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        frames = said["frames"]
        named = [(str(frame["file_path"]), frame["transform_matrix"], frame) for frame in frames]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise Unfit(
            f"{path} is not a transforms.json: {type(problem).__name__} {problem}. Expected: frames, each with "
            "file_path and transform_matrix."
        ) from None
    common = {name: value for name, value in said.items() if name != "frames"}
    made = []
    for name, matrix, frame in sorted(named, key=lambda one: one[0]):
        file = _file(path.parent, name)
        made.append(Frame(name, file, _pose(matrix, name), _lens(common | frame, name, file)))
    return made


def _file(folder: Path, name: str) -> Path:
    files = [folder / f"{name}{ending}" for ending in ENDINGS]
    if not files[0].resolve().is_relative_to(folder.resolve()):
        raise Unfit(f"{name} lies outside of {folder}; photos must be in the folder of the capture.")
    return next((file for file in files if file.is_file()), files[0])


def _lens(said: Mapping[str, Any], name: str, file: Path) -> Lens:
    if "w" not in said and file.is_file():  # an angle alone needs the width
        try:
            with Image.open(file) as picture:
                said = {**said, "w": picture.width, "h": picture.height}
        except (OSError, ValueError):
            pass  # a broken photo is told where it is read
    return lens_of(said, name)


def _pose(matrix: Any, name: str) -> Matrix:
    try:
        pose = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        pose = np.zeros(0)
    if pose.shape == (3, 4):
        pose = np.vstack([pose, [0.0, 0.0, 0.0, 1.0]])
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise Unfit(f"{name}: transform_matrix must be four rows of four finite numbers.")
    return pose
