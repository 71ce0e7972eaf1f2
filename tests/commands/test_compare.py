"""`kontrast compare`: a run beside another, beside itself, and beside what cannot be compared."""

import json

import pytest

import kontrast
from kontrast.commands.compare import compare
from kontrast.errors import Unfit


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("other") / "run"
    words = {"method": "barlow-twins", "epochs": 1, "batch_size": 256, "validate": "none", "threads": 1}
    return kontrast.train("digits", out=str(out), say=lambda _: None, **words).path


def test_scores_settings_and_neighbours_stand_side_by_side(digits_run, other_run, tmp_path):
    result, lines = compare([digits_run, other_run], "digits", split="test", out=tmp_path / "c.html")
    first, second = result["models"]
    assert result["settings"]["method.name"] == ["simclr", "barlow-twins"]
    for name in (first, second):
        knn = result["scores"][name]["nearest neighbours (kNN)"]
        assert knn["range"][0] <= knn["value"] <= knn["range"][1]
    change = result["neighbours"][0]
    assert 0 < change["kept"] < 1 and change["most"][0]["change"] >= change["most"][-1]["change"]
    assert any("of the 10 nearest neighbours" in line for line in lines)
    page = (tmp_path / "c.html").read_text()
    assert "Whose neighbours have changed" in page and "barlow-twins" in page
    json.dumps(result)


def test_a_model_keeps_all_neighbours_of_itself(digits_run):
    result, _ = compare([digits_run, digits_run / "model"], "digits", split="test", k=5)
    assert result["neighbours"][0]["kept"] == 1 and result["neighbours"][0]["most"][0]["change"] == 0


def test_what_cannot_be_compared_is_told(digits_run, tmp_path):
    for models, how, told in (
        ([digits_run], {}, "two models"),
        ([digits_run, digits_run], {"out": tmp_path / "c.png"}, "ends in .html"),
        ([digits_run, digits_run], {"k": 0}, "-k from 1"),
    ):
        with pytest.raises(Unfit, match=told):
            compare(models, "digits", split="test", **how)
