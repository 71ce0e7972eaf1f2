"""The page of a comparison: whole, offline, and safe whatever the names hold."""

import torch

from kontrast.report.compare_page import Comparison, write
from kontrast.report.text_neighbours import Answer, Quote

NASTY = "<script>alert(1)</script>"


def test_scores_settings_and_changes_stand_on_it(tmp_path):
    picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
    changed = [
        Quote("a sentence", {"a": [Answer(NASTY, float("nan"), True)], NASTY: [Answer("other", float("nan"))]}),
        Quote(picture, {"a": [Answer(picture, float("nan"), True)], NASTY: [Answer(picture, float("nan"))]}),
    ]
    page = Comparison(["a", NASTY], "data & more", "keeps 10%", ["a line"], [["kNN", "78.9\n74 to 82", "–"]],
                      [["method", "simclr", "byol"]], changed)  # fmt: skip
    write(tmp_path / "c.html", page)
    text = (tmp_path / "c.html").read_text()
    assert NASTY not in text and text.count("&lt;script&gt;alert") >= 4
    for words in ("keeps 10%", "78.9<br>74 to 82", "simclr", "byol", "a sentence", "found by the other one, too"):
        assert words in text
    assert 'class="line own"' in text and 'class="same"' in text and "data &amp; more" in text


def test_what_is_not_known_is_left_out(tmp_path):
    write(tmp_path / "c.html", Comparison(["a", "b"], "d", "h", [], [], [], []))
    assert "Settings that differ" not in (tmp_path / "c.html").read_text()
