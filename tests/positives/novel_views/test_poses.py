import numpy as np
import pytest
import torch

from benchmarks import solids
from kontrast.errors import Unfit
from kontrast.positives.novel_views import poses
from kontrast.positives.novel_views.poses import Wanted


def angle(a, b):
    return np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


@pytest.fixture(scope="module")
def drawn(capture):
    return poses.drawn(capture.cameras, 40, Wanted(5, 25), seed=0)


def test_new_cameras_keep_angle_and_distance(capture, drawn):
    given = capture.cameras.position_V3.numpy()  # the focus is the origin
    assert len(drawn.cameras) > 30
    for pose, anchor, said in zip(drawn.cameras.pose_V44.numpy(), drawn.anchor_N, drawn.angle_N):
        assert 5 <= said <= 25 and abs(angle(pose[:3, 3], given[anchor]) - said) < 1e-6
        assert 0.9 <= np.linalg.norm(pose[:3, 3]) / np.linalg.norm(given[anchor]) <= 1.1
        assert min(angle(pose[:3, 3], other) for other in given) <= poses.BEYOND
        assert np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3)) and np.linalg.det(pose[:3, :3]) > 0


def test_the_object_stays_where_it_was_in_the_picture(capture, drawn):
    """The focus is seen in the same pixel as by the anchor: right to a thousandth of one."""
    for number, anchor in enumerate(drawn.anchor_N):
        new, _ = drawn.cameras.project(torch.tensor([number]), torch.zeros(1, 3))
        old, _ = capture.cameras.project(torch.tensor([anchor]), torch.zeros(1, 3))
        assert (new - old).abs().max() < 1e-3


def test_they_are_drawn_by_seed(capture, drawn):
    again, other = (poses.drawn(capture.cameras, 40, Wanted(5, 25), seed=seed) for seed in (0, 1))
    assert torch.equal(again.cameras.pose_V44, drawn.cameras.pose_V44)
    assert not torch.equal(other.cameras.pose_V44[:5], drawn.cameras.pose_V44[:5])


def test_none_stands_behind_the_object(capture, monkeypatch):
    class Wall:
        def thickness(self, start_3, end_3):
            return 10.0 if end_3[0] < 0 else 0.0

    through = poses.drawn(capture.cameras, 40, Wanted(5, 25), seed=0, through=Wall())
    assert 0 < len(through.cameras) < 40 and (through.cameras.position_V3[:, 0] >= 0).all()


def test_an_orbit_is_closed_and_looks_at_the_focus(capture):
    way = poses.orbit(capture.cameras, 12)
    steps = [angle(a, b) for a, b in zip(way.position_V3.numpy(), way.position_V3.roll(-1, 0).numpy())]
    assert len(way) == 12 and max(steps) < 2.5 * np.median(steps)
    pixel_V2, depth_V = way.project(torch.arange(12), torch.zeros(12, 3))
    assert (depth_V > 0).all() and (pixel_V2 - pixel_V2[0]).abs().max() < 1e-3


@pytest.mark.parametrize("words", ["5", "40..5", "a..b", "-1..5", "5..200", "5..5"])
def test_angles_that_are_none_are_said(words):
    with pytest.raises(Unfit, match="--angle"):
        Wanted.of(words)
    assert Wanted.of("5..40") == Wanted(5.0, 40.0)


def test_what_a_new_camera_sees_is_where_it_is_said_to_be(drawn):
    """A small ball at a known place, drawn by formulas from the new pose: its middle is the pixel it projects to."""
    place = (0.4, -0.3, 0.5)
    ball = solids.Solid("sphere", place, 0.15, (1, 1, 1), (1, 1, 1))
    for number in range(0, len(drawn.cameras), 8):
        _, opacity, _ = solids.seen([ball], drawn.cameras.pose_V44[number].numpy(), 32, 35.2)
        rows, columns = (np.arange(32) + 0.5 for _ in range(2))
        middle = [(opacity.sum(0) * columns).sum() / opacity.sum(), (opacity.sum(1) * rows).sum() / opacity.sum()]
        pixel_B2, _ = drawn.cameras.project(torch.tensor([number]), torch.tensor([place]))
        assert np.abs(pixel_B2[0].numpy() - middle).max() < 0.3
