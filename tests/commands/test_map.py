"""`kontrast map`: a page of an index, with its own pictures, never over a stranger's file."""

import json
import re

import pytest

import kontrast
from kontrast.commands.map import map_index
from kontrast.errors import Unfit


@pytest.fixture(scope="module")
def index(digits_run, tmp_path_factory):
    return kontrast.index(digits_run, "digits", tmp_path_factory.mktemp("map") / "i", split="test")


def test_the_page_holds_the_rows_their_pictures_and_neighbours(index, tmp_path):
    found, lines = map_index(index, tmp_path / "map.html", how="pca")
    page = (tmp_path / "map.html").read_text()
    content = json.loads(re.search(r'id="content">(.*?)</script>', page, re.DOTALL).group(1))
    assert content["rows"] == len(content["names"]) == len(index) and content["colour"] == "label"
    assert all(picture.startswith("data:image/") for picture in content["pictures"])
    assert len(content["near"][0]) == 12 and 0 not in content["near"][0]
    assert f"{found.kept:.0%} of the ten nearest" in page and lines[0].startswith("map      PCA keeps")
    map_index(index, tmp_path / "map.html", how="pca")  # ours may be written anew


def test_many_rows_are_a_sample_before_all(index, tmp_path, monkeypatch):
    monkeypatch.setattr("kontrast.commands.map.DRAWN", 100)
    monkeypatch.setattr("kontrast.commands.map.PICTURES", 9000)
    _, lines = map_index(index, tmp_path / "map.html", how="pca")
    page = (tmp_path / "map.html").read_text()
    content = json.loads(re.search(r'id="content">(.*?)</script>', page, re.DOTALL).group(1))
    assert len(content["names"]) == 100 and 5 < sum(map(bool, content["pictures"])) < 100
    assert "100 of them drawn before the density of all" in page and any(
        "bring their picture" in line for line in lines
    )


def test_what_cannot_be_drawn_is_refused(index, tmp_path):
    (tmp_path / "mine.html").write_text("<p>a page of my own</p>")
    for out, how, told in (
        ("map.png", {}, "ends in .html"),
        ("mine.html", {}, "kontrast did not make it"),
        ("map.html", {"colour": "age"}, "--colour age"),
    ):
        with pytest.raises(Unfit, match=told):
            map_index(index, tmp_path / out, **how)
