"""What poses must be before a field can learn from them: rotations, in OpenGL's axes, and looks at the same thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kontrast.errors import Unfit
from kontrast.positives.novel_views.cameras import Cameras
from kontrast.positives.novel_views.colmap import FLIP
from kontrast.positives.novel_views.frames import Frame

EXACT = 1e-3  # how far R^T R may be from the identity
AWAY = 0.75  # share of cameras that look away from what all look at, from which on the axes are doubted
POSES = ("auto", "opengl", "opencv")


def checked_poses(frames: Sequence[Frame], axes: str) -> Tensor:
    """Poses (V, 4, 4) in OpenGL's axes; Unfit where they are no rotations or look away."""
    if axes not in POSES:
        raise Unfit(f"--poses {axes}: expected one of {', '.join(POSES)}.")
    for frame in frames:
        turn = frame.pose[:3, :3]
        if np.abs(turn.T @ turn - np.eye(3)).max() > EXACT:
            scale = np.cbrt(abs(np.linalg.det(turn)))
            if scale > 0 and np.abs(turn.T @ turn / scale**2 - np.eye(3)).max() <= EXACT:
                raise Unfit(f"{frame.name}: its pose scales by {scale:.3f}; a rotation and a position were expected.")
            raise Unfit(f"{frame.name}: the first three columns of its pose are no rotation (not orthonormal).")
        if np.linalg.det(turn) < 0:
            raise Unfit(f"{frame.name}: its pose is a mirror image (determinant -1), no rotation: an axis is reversed.")
    pose_V44 = torch.from_numpy(np.stack([frame.pose for frame in frames]))
    if axes == "opencv":
        return pose_V44 @ torch.from_numpy(FLIP)
    if axes == "auto" and (away := _away(pose_V44)) >= AWAY:
        raise Unfit(
            f"{away:.0%} of the cameras look away from the point that all of them are turned to: so it is when poses "
            "are written in OpenCV's axes (y down, looking along +z) where transforms.json has OpenGL's. If they are, "
            "add --poses opencv; if the photos do look outwards from one place, --poses opengl."
        )
    return pose_V44


def _away(pose_V44: Tensor) -> float:
    """Share of the cameras that have the focus of all behind them; 0 where their axes hardly meet."""
    none = torch.zeros(len(pose_V44), 2, dtype=torch.float64)
    cameras = Cameras(pose_V44, none, none, torch.zeros(len(pose_V44), 4, dtype=torch.float64), 1, 1)
    to_V3 = cameras.focus() - cameras.position_V3
    if not bool((to_V3.norm(dim=1) > 1e-9).all()):
        return 0.0
    cosine_V = (to_V3 / to_V3.norm(dim=1, keepdim=True) * cameras.looks_V3).sum(1)
    return float((cosine_V < -0.5).double().mean())


def checked_views(cameras: Cameras) -> None:
    """Unfit where the cameras stand in one place, or most see nothing that another one sees."""
    apart = (cameras.position_V3 - cameras.position_V3.mean(0)).norm(dim=1).max()
    distance_V = (cameras.focus() - cameras.position_V3).norm(dim=1)
    if apart <= 1e-3 * float(distance_V.median().clamp_min(1e-12)) or not bool(distance_V.median() > 0):
        raise Unfit("all photos were taken from one place, so nothing tells how far anything is; move the camera.")
    target_V3 = cameras.position_V3 + cameras.looks_V3 * distance_V.median()
    count = len(cameras)
    shared_VV = torch.zeros(count, count, dtype=torch.bool)
    for view in range(count):
        pixel_V2, depth_V = cameras.project(torch.full((count,), view), target_V3)
        within = (pixel_V2 >= 0).all(1) & (pixel_V2[:, 0] < cameras.width) & (pixel_V2[:, 1] < cameras.height)
        shared_VV[view] = within & (depth_V > 0)
    shared_VV.fill_diagonal_(False)
    alone = ~shared_VV.any(0)
    if alone.double().mean() > 0.5:
        raise Unfit(
            f"{int(alone.sum())} of {count} cameras look at a place that no other one sees: no overlap, so there is "
            "nothing to learn from. Photos of one object, or poses of another capture?"
        )
