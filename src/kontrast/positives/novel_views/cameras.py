"""Cameras: which ray a pixel sees along, and which pixel a point of the world is seen in.

A pose is camera-to-world with the axes of OpenGL: x right, y up, the camera looks along -z (instant-ngp and nerfstudio
write it so; COLMAP and OpenCV have y down and look along +z). Pixel (0, 0) is a square whose middle is (0.5, 0.5).
Lens distortion is that of OpenCV: two radial terms and two tangential ones.

Shapes: V cameras, B rays or points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

UNDISTORT = 12  # steps of the fixed-point iteration: 1e-9 of a focal length for lenses of phones


@dataclass(frozen=True)
class Cameras:
    """V cameras of one picture size.

    pose_V44        camera to world, float64
    focal_V2        focal lengths in pixels
    centre_V2       principal points in pixels
    distortion_V4   k1, k2, p1, p2
    width, height   of the pictures
    """

    pose_V44: Tensor
    focal_V2: Tensor
    centre_V2: Tensor
    distortion_V4: Tensor
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.pose_V44)

    def __getitem__(self, views: Tensor | list[int]) -> Cameras:
        chosen = torch.as_tensor(views, dtype=torch.int64)
        return replace(
            self,
            pose_V44=self.pose_V44[chosen],
            focal_V2=self.focal_V2[chosen],
            centre_V2=self.centre_V2[chosen],
            distortion_V4=self.distortion_V4[chosen],
        )

    @property
    def position_V3(self) -> Tensor:
        return self.pose_V44[:, :3, 3]

    @property
    def looks_V3(self) -> Tensor:
        """Unit vectors along which the cameras look."""
        return -self.pose_V44[:, :3, 2]

    def focus(self) -> Tensor:
        """The point (3,) that the optical axes come nearest to, in the least squares of distances."""
        across_V33 = torch.eye(3, dtype=torch.float64) - self.looks_V3[:, :, None] * self.looks_V3[:, None, :]
        right_3 = (across_V33 @ self.position_V3[:, :, None]).sum(0)[:, 0]
        solved: Tensor = torch.linalg.lstsq(across_V33.sum(0), right_3[:, None]).solution[:, 0]
        return solved

    def smaller(self, factor: int) -> Cameras:
        """The same cameras for pictures reduced by a whole factor; what is left over at the right and below is cut."""
        return replace(
            self,
            focal_V2=self.focal_V2 / factor,
            centre_V2=self.centre_V2 / factor,
            width=self.width // factor,
            height=self.height // factor,
        )

    def rays(self, view_B: Tensor, pixel_B2: Tensor) -> tuple[Tensor, Tensor]:
        """Origins and unit directions (B, 3) of the rays through pixels (x, y), in float64."""
        seen_B2 = (pixel_B2.double() - self.centre_V2[view_B]) / self.focal_V2[view_B]
        flat_B2 = undistorted(seen_B2, self.distortion_V4[view_B])
        local_B3 = torch.stack([flat_B2[:, 0], -flat_B2[:, 1], -torch.ones(len(flat_B2)).double()], dim=1)
        pose_B44 = self.pose_V44[view_B]
        turned_B3 = (pose_B44[:, :3, :3] @ local_B3[:, :, None])[:, :, 0]
        return pose_B44[:, :3, 3], turned_B3 / turned_B3.norm(dim=1, keepdim=True)

    def project(self, view_B: Tensor, point_B3: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (B, 2) that points are seen in, and how far before the camera they lie (B,); behind it: below 0."""
        pose_B44 = self.pose_V44[view_B]
        away_B3 = point_B3.double() - pose_B44[:, :3, 3]
        local_B3 = (pose_B44[:, :3, :3].transpose(1, 2) @ away_B3[:, :, None])[:, :, 0]
        depth_B = -local_B3[:, 2]
        flat_B2 = torch.stack([local_B3[:, 0], -local_B3[:, 1]], dim=1) / depth_B[:, None]
        seen_B2 = distorted(flat_B2, self.distortion_V4[view_B])
        return seen_B2 * self.focal_V2[view_B] + self.centre_V2[view_B], depth_B

    def cosine(self, view_B: Tensor, direction_B3: Tensor) -> Tensor:
        """Between rays and where their cameras look (B,): distance along a ray times it is depth."""
        return (self.looks_V3[view_B] * direction_B3).sum(1)


def distorted(flat_B2: Tensor, lens_B4: Tensor) -> Tensor:
    """Where a lens puts what a pinhole camera would see at these places, in focal lengths from the centre."""
    x, y = flat_B2.unbind(1)
    k1, k2, p1, p2 = lens_B4.unbind(1)
    square = x * x + y * y
    radial = 1 + square * (k1 + square * k2)
    return torch.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ],
        dim=1,
    )


def undistorted(seen_B2: Tensor, lens_B4: Tensor) -> Tensor:
    """The inverse of `distorted`."""
    if not lens_B4.any():
        return seen_B2
    flat_B2 = seen_B2
    for _ in range(UNDISTORT):
        flat_B2 = flat_B2 - (distorted(flat_B2, lens_B4) - seen_B2)
    return flat_B2
