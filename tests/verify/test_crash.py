"""The check of crashes is red where a rename comes too soon."""

from kontrast.training import checkpoints
from kontrast.verify import crash


def test_a_rename_before_the_content_is_there_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "digest", lambda tensors, state: "same")
    assert crash.harmed(tmp_path / "a", crash.HARM["altered by one bit"]) == 1
