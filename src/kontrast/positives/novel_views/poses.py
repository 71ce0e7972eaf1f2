"""New cameras between and around the given ones: what a positive may show of the object.

A new camera is a given one (its anchor) turned about the focus by an angle, towards a neighbour or near there, and
moved a little nearer or away, so it keeps the anchor's framing. Which angle, whither and how far is drawn by key.

Shapes: V given cameras, N new ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.positives.novel_views.cameras import Cameras
from kontrast.positives.novel_views.renderer import Renderer

NEIGHBOURS = 8  # given cameras that an anchor is turned towards
ASIDE = 30.0  # degrees off the way to a neighbour, at most
BEYOND = 12.0  # degrees from the nearest given camera, at most
ZOOM = 0.1  # share of the distance, nearer or away, at most
TRIES = 24  # of a new camera
FREE = 0.5  # thickness between a new camera and its anchor, below which nothing stands there
SAME = 0.5  # degrees to a neighbour, below which it is no direction


@dataclass(frozen=True)
class Wanted:
    """Angles in degrees between a new camera and its anchor, seen from the focus, and how far a zoom may go."""

    low: float = 5.0
    high: float = 40.0
    zoom: float = ZOOM

    @classmethod
    def of(cls, words: str) -> Wanted:
        """Of the form 5..40; Unfit else."""
        low, dots, high = words.partition("..")
        try:
            made = cls(float(low), float(high))
        except ValueError:
            dots = ""
        if not dots or not 0 <= made.low < made.high <= 180:
            raise Unfit(f"--angle {words}: expected LOW..HIGH in degrees, such as 5..40.")
        return made


@dataclass(frozen=True)
class Drawn:
    """New cameras, the given ones that they are turned from, and by how many degrees (N,)."""

    cameras: Cameras
    anchor_N: list[int]
    angle_N: list[float]


def drawn(cameras: Cameras, count: int, wanted: Wanted, seed: int, through: Renderer | None = None) -> Drawn:
    """Up to `count` new cameras, spread over all anchors; fewer where no place is found that is free and near enough.

    through  a field that they must not stand in, nor behind parts of
    """
    focus_3 = cameras.focus()
    towards_V3 = cameras.position_V3 - focus_3
    poses, anchors, angles = [], [], []
    for number in range(count):
        anchor = number % len(cameras)
        for attempt in range(TRIES):
            pose_44, angle = _turned(cameras, focus_3, towards_V3, anchor, wanted, (seed, number, attempt))
            place_3 = pose_44[:3, 3]
            if angle_between(towards_V3, place_3 - focus_3).min() > BEYOND:
                continue
            if through is not None and through.thickness(cameras.position_V3[anchor], place_3) > FREE:
                continue
            poses.append(pose_44)
            anchors.append(anchor)
            angles.append(angle)
            break
    pose_N44 = torch.stack(poses) if poses else torch.zeros(0, 4, 4, dtype=torch.float64)
    made = replace(cameras[anchors], pose_V44=pose_N44, distortion_V4=torch.zeros(len(anchors), 4, dtype=torch.float64))
    return Drawn(made, anchors, angles)


def orbit(cameras: Cameras, frames: int) -> Cameras:
    """A closed way of one camera: an ellipse about the middle of the given ones, as wide as they reach."""
    focus_3 = cameras.focus()
    towards_V3 = cameras.position_V3 - focus_3
    middle = int(angle_between(towards_V3, towards_V3.mean(0)).argmin())
    pose_44, towards_3 = cameras.pose_V44[middle], towards_V3[middle]
    right_3, up_3 = pose_44[:3, 0], pose_44[:3, 1]
    across, down = (_reach(towards_V3, towards_3, axis_3) for axis_3 in (right_3, up_3))
    poses = []
    for frame in range(frames):
        turn = 2 * math.pi * frame / frames
        sideways = _rotation(up_3, across * math.sin(turn))
        tilt = _rotation(right_3, -down / 2 * math.cos(turn))
        poses.append(_about(pose_44, focus_3, sideways @ tilt, 1.0))
    made = cameras[[middle] * frames]
    return replace(made, pose_V44=torch.stack(poses), distortion_V4=torch.zeros(frames, 4, dtype=torch.float64))


def angle_between(direction_V3: Tensor, other_3: Tensor) -> Tensor:
    """Angles (V,) in degrees between directions of any length."""
    cosine_V = (direction_V3 @ other_3) / (direction_V3.norm(dim=1) * other_3.norm()).clamp_min(1e-12)
    return torch.rad2deg(torch.acos(cosine_V.clamp(-1, 1)))


def _turned(
    cameras: Cameras, focus_3: Tensor, towards_V3: Tensor, anchor: int, wanted: Wanted, key: tuple[int, int, int]
) -> tuple[Tensor, float]:
    """One new pose (4, 4) and its angle to the anchor."""
    number = np.arange(4)
    angle, neighbour, aside, zoom = keyed.uniform("novel view", *key, number).tolist()
    apart_V = angle_between(towards_V3, towards_V3[anchor])
    near = [int(view) for view in apart_V.argsort() if apart_V[view] > SAME][:NEIGHBOURS]
    degrees = wanted.low + angle * (wanted.high - wanted.low)
    direction_3 = towards_V3[anchor]
    if near:
        axis_3 = torch.linalg.cross(direction_3, towards_V3[near[int(neighbour * len(near))]])
    else:
        axis_3 = cameras.pose_V44[anchor, :3, 1]
    if axis_3.norm() < 1e-9:
        axis_3 = cameras.pose_V44[anchor, :3, 1]
    axis_3 = axis_3 - direction_3 * (axis_3 @ direction_3) / (direction_3 @ direction_3)
    axis_3 = _rotation(direction_3, math.radians(ASIDE * (2 * aside - 1))) @ (axis_3 / axis_3.norm())
    turn_33 = _rotation(axis_3, math.radians(degrees))
    return _about(cameras.pose_V44[anchor], focus_3, turn_33, 1 + wanted.zoom * (2 * zoom - 1)), degrees


def _about(pose_44: Tensor, focus_3: Tensor, turn_33: Tensor, stretch: float) -> Tensor:
    """A camera turned about the focus and moved to `stretch` times its distance."""
    made_44 = pose_44.clone()
    made_44[:3, :3] = turn_33 @ pose_44[:3, :3]
    made_44[:3, 3] = focus_3 + stretch * (turn_33 @ (pose_44[:3, 3] - focus_3))
    return made_44


def _rotation(axis_3: Tensor, radians: float) -> Tensor:
    """The rotation (3, 3) about an axis (Rodrigues)."""
    x, y, z = (axis_3 / axis_3.norm()).tolist()
    cross_33 = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    turn_33: Tensor = torch.linalg.matrix_exp(radians * cross_33)
    return turn_33


def _reach(towards_V3: Tensor, middle_3: Tensor, axis_3: Tensor) -> float:
    """How far, in radians, the given cameras reach from the middle one along an axis; at most 60 degrees."""
    along_V = torch.atan2(towards_V3 @ axis_3, towards_V3 @ (middle_3 / middle_3.norm()))
    return min(float(along_V.abs().quantile(0.8)), math.radians(60))
