"""Cameras against formulas written down anew: OpenCV's projection by hand, and there and back."""

import numpy as np
import torch

from benchmarks import solids
from kontrast.positives.novel_views.cameras import Cameras

LENS = (0.0578421, -0.0805099, -0.000980296, 0.00015575)


def cameras(lens=LENS, count=5):
    poses = torch.from_numpy(np.stack(solids.ring(count)))
    pair = torch.tensor([[180.0, 175.0]], dtype=torch.float64).expand(count, 2)
    centre = torch.tensor([[70.0, 130.0]], dtype=torch.float64).expand(count, 2)
    return Cameras(poses, pair, centre, torch.tensor([lens], dtype=torch.float64).expand(count, 4), 144, 256)


def by_hand(pose, point, lens=LENS):
    """One point, one camera, in OpenCV's words: its axes, its distortion, its matrix."""
    to_camera = np.linalg.inv(pose @ np.diag([1, -1, -1, 1]))
    x, y, z, _ = to_camera @ np.array([*point, 1])
    x, y = x / z, y / z
    k1, k2, p1, p2 = lens
    r = x**2 + y**2
    bent_x = x * (1 + k1 * r + k2 * r**2) + 2 * p1 * x * y + p2 * (r + 2 * x**2)
    bent_y = y * (1 + k1 * r + k2 * r**2) + p1 * (r + 2 * y**2) + 2 * p2 * x * y
    return np.array([180 * bent_x + 70, 175 * bent_y + 130]), z


def test_known_points_are_seen_where_opencv_sees_them():
    made, draw = cameras(), np.random.default_rng(0)
    for view in range(len(made)):
        points = draw.uniform(-1, 1, (20, 3))
        pixel_B2, depth_B = made.project(torch.full((20,), view), torch.from_numpy(points))
        for at, point in enumerate(points):
            pixel, depth = by_hand(made.pose_V44[view].numpy(), point)
            np.testing.assert_allclose(pixel_B2[at].numpy(), pixel, atol=1e-9)
            assert abs(float(depth_B[at]) - depth) < 1e-12


def test_a_ray_meets_what_its_pixel_shows():
    made = cameras()
    view_B = torch.arange(len(made))
    pixel_B2 = torch.tensor([[0.5, 0.5], [143.5, 255.5], [70.0, 130.0], [10.0, 200.0], [100.0, 30.0]])
    origin_B3, direction_B3 = made.rays(view_B, pixel_B2)
    again_B2, depth_B = made.project(view_B, origin_B3 + 3.7 * direction_B3)
    torch.testing.assert_close(again_B2, pixel_B2.double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(depth_B, 3.7 * made.cosine(view_B, direction_B3))


def test_a_pixel_to_the_right_and_above_is_so_in_the_world():
    made = cameras((0.0,) * 4, count=1)
    pose = made.pose_V44[0]
    _, direction_B3 = made.rays(torch.zeros(1, dtype=torch.int64), torch.tensor([[100.0, 60.0]]))
    assert direction_B3[0] @ pose[:3, 0] > 0 and direction_B3[0] @ pose[:3, 1] > 0


def test_the_focus_is_what_all_look_at():
    torch.testing.assert_close(cameras().focus(), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)


def test_smaller_photos_keep_their_rays():
    made = cameras()
    big = made.rays(torch.tensor([2]), torch.tensor([[42.0, 84.0]]))[1]
    torch.testing.assert_close(made.smaller(4).rays(torch.tensor([2]), torch.tensor([[10.5, 21.0]]))[1], big)
