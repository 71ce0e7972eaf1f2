"""Most of it is tested where captures are read (test_captures); here what a table of cases says shorter."""

import numpy as np
import pytest
import torch

from benchmarks import solids
from kontrast.errors import Unfit
from kontrast.positives.novel_views.fitness import checked_poses
from kontrast.positives.novel_views.frames import Frame, Lens

LENS = Lens((30.0, 30.0), (16.0, 16.0), width=32, height=32)


def frames(poses, tmp_path):
    return [Frame(str(number), tmp_path / str(number), pose, LENS) for number, pose in enumerate(poses)]


def test_a_few_cameras_that_look_away_are_no_reason_to_doubt(tmp_path):
    poses = solids.ring(10)
    poses[3] = poses[3] @ np.diag([-1.0, 1.0, -1.0, 1.0])  # turned about, by mistake or on purpose
    assert torch.equal(checked_poses(frames(poses, tmp_path), "auto"), torch.from_numpy(np.stack(poses)))


def test_cameras_that_look_outwards_are_taken_at_the_users_word(tmp_path):
    poses = [pose @ np.diag([1.0, -1.0, -1.0, 1.0]) for pose in solids.ring(10)]
    assert torch.equal(checked_poses(frames(poses, tmp_path), "opengl"), torch.from_numpy(np.stack(poses)))
    with pytest.raises(Unfit, match="look away"):
        checked_poses(frames(poses, tmp_path), "auto")


def test_cameras_side_by_side_have_no_focus_to_look_away_from(tmp_path):
    poses = [np.eye(4) + np.pad([[x]], ((0, 3), (3, 0))) for x in (0.0, 1.0, 2.0)]
    assert len(checked_poses(frames(poses, tmp_path), "auto")) == 3


def test_unknown_axes_are_said(tmp_path):
    with pytest.raises(Unfit, match="--poses blender: expected one of auto, opengl, opencv"):
        checked_poses(frames(solids.ring(3), tmp_path), "blender")
