"""COLMAP's text against poses that are known: quaternions made here by the other formula, from the matrix."""

import numpy as np
import pytest

from benchmarks import solids
from kontrast.errors import Unfit
from kontrast.positives.novel_views import captures, colmap


def quaternion(turn):
    """Of a rotation matrix: the eigenvector of Bar-Itzhack's K (2000)."""
    m = turn
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    x, y, z, w = np.linalg.eigh(k / 3)[1][:, -1]
    return w, x, y, z


def as_colmap(folder, poses, model="PINHOLE 32 32 35.2 35.2 16 16"):
    """The same capture with COLMAP's files in sparse/0."""
    place = folder / "sparse" / "0"
    place.mkdir(parents=True)
    (place / "cameras.txt").write_text(f"# a comment\n1 {model}\n")
    lines = ["# another"]
    for number, pose in enumerate(poses):
        seen = np.linalg.inv(pose @ np.diag([1, -1, -1, 1]))
        words = [*quaternion(seen[:3, :3]), *seen[:3, 3]]
        lines += [f"{number} {' '.join(map(repr, map(float, words)))} 1 {number:03d}.png", ""]
    (place / "images.txt").write_text("\n".join(lines))
    (folder / "transforms.json").unlink()
    return folder


def test_it_reads_what_transforms_says(tmp_path, scene, capture):
    folder = as_colmap(solids.capture(tmp_path / "a", *scene, 32), scene[1])
    read = captures.read(folder)
    np.testing.assert_allclose(read.cameras.pose_V44.numpy(), capture.cameras.pose_V44.numpy(), atol=1e-9)
    np.testing.assert_allclose(read.cameras.focal_V2.numpy(), capture.cameras.focal_V2.numpy())
    assert (read.photo_VHWC == capture.photo_VHWC).all()


def test_distortion_and_models(tmp_path, scene):
    folder = as_colmap(solids.capture(tmp_path / "a", *scene, 32), scene[1], "OPENCV 32 32 30 31 16 15 1 2 3 4")
    lens = colmap.read(folder)[0].lens
    assert (lens.focal, lens.centre, lens.distortion) == ((30, 31), (16, 15), (1, 2, 3, 4))
    cameras = folder / "sparse" / "0" / "cameras.txt"
    for wrong in ("FOV 32 32 30 30 16 16 1", "PINHOLE 32 32 30", "PINHOLE 0 32 30 30 16 16"):
        cameras.write_text(f"1 {wrong}\n")
        with pytest.raises(Unfit, match=r"cameras\.txt, camera 1"):
            colmap.read(folder)
