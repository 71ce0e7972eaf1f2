import json

import pytest

from benchmarks import solids
from kontrast.cli import main


def test_the_verb_prints_one_object(tmp_path, capsys):
    folder = solids.capture(tmp_path / "capture", solids.drawn(0), solids.ring(5), 16)
    with pytest.raises(SystemExit) as ended:
        main(["views3d", str(folder), "--out", str(tmp_path / "out"), "--views", "0", "--angle", "5..90", "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 5


def test_photos_without_poses_are_told_another_way(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["views3d", str(tmp_path / "photos"), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert "real photos of one object are the better positives" in capsys.readouterr().err
