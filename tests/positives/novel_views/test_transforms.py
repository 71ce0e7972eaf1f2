import json

import numpy as np
import pytest

from kontrast.errors import Unfit
from kontrast.positives.novel_views import transforms

FRAME = {"file_path": "b.png", "transform_matrix": np.eye(4).tolist()}


def written(folder, **said):
    path = folder / "transforms.json"
    path.write_text(json.dumps({"fl_x": 10, "w": 8, "h": 8, "frames": [FRAME], **said}))
    return path


def test_what_a_frame_says_wins(tmp_path):
    frames = [FRAME, {**FRAME, "file_path": "a.png", "fl_x": 20, "transform_matrix": np.eye(4)[:3].tolist()}]
    read = transforms.read(written(tmp_path, frames=frames, k1=0.25))
    assert [(one.name, one.lens.focal[0], one.lens.distortion[0]) for one in read] == [
        ("a.png", 20, 0.25),
        ("b.png", 10, 0.25),
    ]
    assert read[0].pose.tolist() == np.eye(4).tolist()


def test_blenders_names_have_no_ending(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "r_0.png").write_bytes(b"")
    frame = {**FRAME, "file_path": "./train/r_0"}
    assert transforms.read(written(tmp_path, frames=[frame]))[0].path.name == "r_0.png"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"frames": [{"file_path": "a"}]}, "KeyError 'transform_matrix'"),
        ({"frames": 3}, "is not a transforms.json"),
        ({"frames": [{**FRAME, "transform_matrix": [[1, 2], [3, 4]]}]}, "four rows of four"),
        ({"frames": [{**FRAME, "transform_matrix": [[float("inf")] * 4] * 4}]}, "four rows of four"),
        ({"frames": [{**FRAME, "file_path": "../../secret.png"}]}, "lies outside"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, said, words):
    with pytest.raises(Unfit, match=words):
        transforms.read(written(tmp_path, **said))


def test_text_that_is_no_json_is_said(tmp_path):
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(Unfit, match="is not a transforms"):
        transforms.read(tmp_path / "transforms.json")
