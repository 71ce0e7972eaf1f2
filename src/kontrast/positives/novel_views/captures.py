"""A capture: posed photos of one object, as a folder holds them. What cannot be learned from is said before the work.

Shapes: V photos, H and W their sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kontrast import progress
from kontrast.errors import Unfit
from kontrast.positives.novel_views import colmap, transforms
from kontrast.positives.novel_views.cameras import Cameras
from kontrast.positives.novel_views.fitness import checked_poses, checked_views
from kontrast.positives.novel_views.frames import Frame, Lens

LEAST = 3  # photos
LEAST_SIDE = 16  # pixels
SIDE = 256  # pixels of the longer side that photos are reduced to, by a whole factor


@dataclass(frozen=True)
class Capture:
    """Photos of one object with their cameras.

    name          of its folder
    names         of the photos, sorted
    photo_VHWC    uint8, RGB, or RGBA where the photos know what is not the object
    messages      what was left out, in sentences
    """

    name: str
    names: tuple[str, ...]
    photo_VHWC: Tensor
    cameras: Cameras
    messages: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def digest(self) -> str:
        """A hash of photos and cameras."""
        total = hashlib.blake2b(self.photo_VHWC.numpy().tobytes(), digest_size=16)
        for part in (self.cameras.pose_V44, self.cameras.focal_V2, self.cameras.centre_V2, self.cameras.distortion_V4):
            total.update(part.contiguous().numpy().tobytes())
        return total.hexdigest()

    @property
    def cut_out(self) -> bool:
        """Whether the photos say where there is nothing."""
        return self.photo_VHWC.shape[3] == 4


def found(folder: Path) -> list[Path]:
    """The captures in a folder: itself, or the folders in it that are captures, by name."""
    if not folder.is_dir():
        raise Unfit(f"{folder} is no folder; a capture is a folder with transforms.json or a COLMAP text model.")
    if _listed(folder):
        return [folder]
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    captures = [path for path in inner if _listed(path)]
    if not captures:
        raise Unfit(
            f"{folder} holds no transforms.json and no COLMAP text model (cameras.txt, images.txt), so where its "
            "photos were taken from is not known. Without poses real photos of one object are the better positives: "
            f"a folder an object, and kontrast train {folder} --same folder."
        )
    return captures


def read(folder: Path, *, side: int = SIDE, poses: str = "auto") -> Capture:
    """The capture in a folder.

    side   photos are reduced by a whole factor until their longer side has no more pixels than this
    poses  axes of the poses in transforms.json: opengl, opencv, or auto: OpenGL, unless the cameras then look away

    Raises Unfit with a sentence: no or too few photos, poses that are no rotations, photos of several sizes, cameras
    that see nothing together or look away from it.
    """
    file = _listed(folder)
    frames = [] if file is None else colmap.read(folder) if file.is_dir() else transforms.read(file)
    kept = [frame for frame in frames if frame.path.is_file()]
    messages = []
    if missing := [frame.name for frame in frames if not frame.path.is_file()]:
        told = f"{len(missing)} of {len(frames)} photos are missing in {folder}; the first is {missing[0]}"
        if len(kept) < LEAST:
            raise Unfit(f"{told}. At least {LEAST} photos must be there.")
        messages.append(f"{told}: left out")
    if len(kept) < LEAST:
        raise Unfit(
            f"{folder} has {len(kept)} photo{'s' * (len(kept) != 1)} with a pose; at least {LEAST} are needed, from "
            "different places, and 20 or more make good views."
        )
    pose_V44 = checked_poses(kept, "opengl" if file is not None and file.is_dir() else poses)
    photos, lenses = _photos(kept, side)
    made = cameras_of(pose_V44, lenses)
    checked_views(made)
    return Capture(
        folder.resolve().name, tuple(frame.name for frame in kept), torch.stack(photos), made, tuple(messages)
    )


def cameras_of(pose_V44: Tensor, lenses: Sequence[Lens]) -> Cameras:
    """Cameras of these poses and lenses, all of the first one's size."""

    def column(name: str) -> Tensor:
        return torch.tensor([getattr(lens, name) for lens in lenses], dtype=torch.float64)

    size = lenses[0].width, lenses[0].height
    return Cameras(pose_V44, column("focal"), column("centre"), column("distortion"), *size)


def _listed(folder: Path) -> Path | None:
    """The file, or folder of COLMAP, that says where the photos of a folder were taken from."""
    file = next((folder / name for name in transforms.FILES if (folder / name).is_file()), None)
    return file or colmap.model_in(folder)


def _photos(frames: Sequence[Frame], side: int) -> tuple[list[Tensor], list[Lens]]:
    """The photos (H, W, 3 or 4), reduced, and their lenses."""
    photos: list[Tensor] = []
    lenses: list[Lens] = []
    first = (0, 0)
    for frame in progress.passing(frames, "reading photos"):
        try:
            with Image.open(frame.path) as file:
                picture = file.convert("RGBA" if file.has_transparency_data else "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
            raise Unfit(f"{frame.path} cannot be read as a picture: {problem}.") from None
        first = first if photos else picture.size
        if picture.size != first:
            raise Unfit(
                f"photos of one capture must have one size: {frames[0].name} has {first[0]} x {first[1]} pixels, "
                f"{frame.name} has {picture.width} x {picture.height}. Make a capture of each size."
            )
        factor = -(-max(picture.size) // side)
        lens = frame.lens.of(*picture.size, frame.name)
        focal, centre = ((pair[0] / factor, pair[1] / factor) for pair in (lens.focal, lens.centre or (0.0, 0.0)))
        width, height = picture.width // factor, picture.height // factor
        lenses.append(Lens(focal, centre, lens.distortion, width, height))
        small = picture.crop((0, 0, width * factor, height * factor)).reduce(factor) if factor > 1 else picture
        photos.append(torch.from_numpy(np.array(small)))
    if len({photo.shape[2] for photo in photos}) > 1:
        raise Unfit("some photos of the capture are transparent in places and some are not; give all of one kind.")
    return photos, lenses
