"""COLMAP's text model: cameras.txt and images.txt. Its poses are world to camera in OpenCV's axes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kontrast.errors import Unfit
from kontrast.positives.novel_views.frames import Frame, Lens, Matrix, number

FOLDERS = ("", "sparse/0", "sparse", "colmap/sparse/0")  # where cameras.txt and images.txt may lie
PHOTOS = ("images", "")
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # from OpenCV's axes to OpenGL's: y and z turned about
# what the numbers of a camera are: f, x, y: focal lengths (f for both), c, d: centre, then distortion by its names
MODELS = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
}


def model_in(folder: Path) -> Path | None:
    """The folder of the text model of a capture, if it has one."""
    places = (folder / inner for inner in FOLDERS)
    return next((p for p in places if (p / "cameras.txt").is_file() and (p / "images.txt").is_file()), None)


def read(folder: Path) -> list[Frame]:
    """The frames of a capture, by name."""
    model = model_in(folder)
    if model is None:
        raise FileNotFoundError(folder)
    lenses = {words[0]: _lens(words) for words in _lines(model / "cameras.txt")}
    frames = []
    for words in list(_lines(model / "images.txt"))[::2]:  # every second line lists points
        if len(words) < 10:
            raise Unfit(f"{model / 'images.txt'}: ten words a photo were expected, not {' '.join(words)!r}.")
        name, camera = " ".join(words[9:]), words[8]
        if camera not in lenses:
            raise Unfit(f"{model / 'images.txt'}: {name} is of the camera {camera}, which cameras.txt does not have.")
        seen = np.array([number(word, f"{name}: pose") for word in words[1:8]])
        files = [folder / inner / name for inner in PHOTOS]
        if not files[0].resolve().is_relative_to(folder.resolve()):
            raise Unfit(f"{name} lies outside of {folder}; photos must be in the folder of the capture.")
        file = next((file for file in files if file.is_file()), files[0])
        frames.append(Frame(name, file, _pose(seen, name), lenses[camera]))
    return sorted(frames, key=lambda frame: frame.name)


def _lines(path: Path) -> Iterator[list[str]]:
    """The words of each line that is no comment. A photo without points has an empty line, which counts."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield line.split()


def _lens(words: list[str]) -> Lens:
    name = f"cameras.txt, camera {words[0] if words else '?'}"
    if len(words) < 5 or words[1] not in MODELS or len(words) != 4 + len(MODELS[words[1]]):
        raise Unfit(f"{name}: expected a camera of {', '.join(MODELS)} with its numbers, not {' '.join(words[1:])!r}.")
    width, height = (int(number(word, name, 0)) for word in words[2:4])
    said = {key: number(word, name) for key, word in zip(MODELS[words[1]], words[4:])}
    focal = (said.get("f", said.get("fx", 0.0)), said.get("f", said.get("fy", 0.0)))
    bend = (said.get("k1", 0.0), said.get("k2", 0.0), said.get("p1", 0.0), said.get("p2", 0.0))
    return Lens(focal, (said["cx"], said["cy"]), bend, width, height)


def _pose(seen: Matrix, name: str) -> Matrix:
    """Camera to world in OpenGL's axes, of a unit quaternion (w, x, y, z) and a translation, world to camera."""
    w, x, y, z = seen[:4]
    if abs(np.linalg.norm(seen[:4]) - 1) > 1e-2:
        raise Unfit(f"{name}: its quaternion has the length {np.linalg.norm(seen[:4]):.3f}, not 1: no rotation.")
    w, x, y, z = seen[:4] / np.linalg.norm(seen[:4])
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn.T, -turn.T @ seen[4:7]
    made: Matrix = pose @ FLIP
    return made
