import json
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmarks import solids
from kontrast.errors import Unfit
from kontrast.positives.novel_views import captures


@pytest.fixture
def own(folder, tmp_path):
    """A copy that a test may spoil, and a call that changes its transforms.json."""
    place = tmp_path / "own"
    shutil.copytree(folder, place)

    def change(how):
        said = json.loads((place / "transforms.json").read_text())
        how(said)
        (place / "transforms.json").write_text(json.dumps(said))

    return place, change


def test_photos_and_cameras_belong_together(capture, scene):
    assert capture.cut_out and len(capture) == len(scene[1])
    np.testing.assert_allclose(capture.cameras.pose_V44[3].numpy(), scene[1][3])
    colour, opacity, _ = solids.seen(scene[0], scene[1][3], 32, 35.2)
    photo = capture.photo_VHWC[3].numpy() / 255
    assert np.abs(photo[..., 3] - opacity).max() < 1 / 255
    assert np.abs(photo[..., :3] - colour)[opacity > 0].max() < 1 / 255


def test_large_photos_are_reduced_with_their_lenses(folder, capture):
    read = captures.read(folder, side=16)
    assert read.photo_VHWC.shape[1:3] == (16, 16) and read.cameras.width == 16
    assert (read.cameras.focal_V2 == capture.cameras.focal_V2 / 2).all()


def test_missing_photos_are_counted(own):
    place, _ = own
    (place / "images" / "004.png").unlink()
    read = captures.read(place)
    assert len(read) == 15 and read.messages == (
        f"1 of 16 photos are missing in {place}; the first is images/004.png: left out",
    )
    shutil.rmtree(place / "images")
    with pytest.raises(Unfit, match="16 of 16 photos are missing"):
        captures.read(place)


def one_photo(said):
    del said["frames"][1:]


def not_orthonormal(said):
    said["frames"][2]["transform_matrix"][0][0] += 0.1


def scaled(said):
    matrix = np.array(said["frames"][2]["transform_matrix"])
    matrix[:3, :3] *= 2
    said["frames"][2]["transform_matrix"] = matrix.tolist()


def mirrored(said):
    matrix = np.array(said["frames"][2]["transform_matrix"])
    matrix[:3, 0] *= -1
    said["frames"][2]["transform_matrix"] = matrix.tolist()


def opencv(said):
    for frame in said["frames"]:
        frame["transform_matrix"] = (np.array(frame["transform_matrix"]) @ np.diag([1, -1, -1, 1])).tolist()


def one_place(said):
    for frame in said["frames"]:
        for row in frame["transform_matrix"][:3]:
            row[3] = 1.0


def anywhere(said):
    draw = np.random.default_rng(0)
    del said["frames"][4:]
    for frame in said["frames"]:
        pose = solids.pose(draw.normal(size=3), np.zeros(3))
        pose[:3, 3] = draw.uniform(-10, 10, 3)
        frame["transform_matrix"] = pose.tolist()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (one_photo, "has 1 photo with a pose; at least 3"),
        (not_orthonormal, r"images/002\.png: the first three columns of its pose are no rotation"),
        (scaled, r"images/002\.png: its pose scales by 2\.000"),
        (mirrored, r"images/002\.png: its pose is a mirror image"),
        (opencv, "OpenCV's axes.*--poses opencv"),
        (one_place, "taken from one place"),
        (anywhere, "no overlap"),
    ],
)
def test_poses_that_nothing_can_be_learned_from_are_said(own, how, words):
    place, change = own
    change(how)
    with pytest.raises(Unfit, match=words):
        captures.read(place)


def test_opencvs_axes_are_taken_when_named(own, capture):
    place, change = own
    change(opencv)
    read = captures.read(place, poses="opencv")
    np.testing.assert_allclose(read.cameras.pose_V44.numpy(), capture.cameras.pose_V44.numpy(), atol=1e-12)


def test_mixed_sizes_and_broken_photos_are_said(own):
    place, _ = own
    Image.new("RGBA", (40, 32)).save(place / "images" / "005.png")
    with pytest.raises(Unfit, match=r"images/000\.png has 32 x 32 pixels, images/005\.png has 40 x 32"):
        captures.read(place)
    (place / "images" / "005.png").write_bytes(b"no picture")
    with pytest.raises(Unfit, match=r"005\.png cannot be read as a picture"):
        captures.read(place)


def test_a_folder_of_captures(folder, tmp_path):
    (tmp_path / "many" / "empty").mkdir(parents=True)
    shutil.copytree(folder, tmp_path / "many" / "one")
    assert captures.found(tmp_path / "many") == [tmp_path / "many" / "one"] and captures.found(folder) == [folder]
    with pytest.raises(Unfit, match="--same folder"):
        captures.found(tmp_path / "many" / "empty")


def test_a_capture_has_a_digest(own, capture):
    place, change = own
    assert captures.read(place).digest() == capture.digest()
    change(lambda said: said.update(fl_x=said["fl_x"] * 1.001))
    assert captures.read(place).digest() != capture.digest()
