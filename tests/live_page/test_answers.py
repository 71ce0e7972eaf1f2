"""Questions of an index and their answers, without a page."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tests.vector_index.conftest import index_of, made_up

from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.live_page import answers as module
from kontrast.live_page.answers import Answers
from kontrast.live_page.points import Points
from kontrast.vector_index.build import build
from kontrast.vector_index.layout import Meta
from kontrast.vector_index.pairs import near_pairs
from kontrast.vector_index.shards import Wanted


class Model:
    """Stands for a trained one: sees the mean colour, reads how many letters there are."""

    words = True

    def read(self, data, split=None, **how):
        return open_source(data, channels=3)

    def embed_source(self, source, ids):
        return torch.stack([picture.float().mean(dim=(1, 2)) for picture in source.images(ids)])

    def embed_text(self, sentences):
        return torch.tensor([[float(words.count(letter)) for letter in "rgb"] for words in sentences])


@pytest.fixture
def pictures(tmp_path):
    """40 pictures: red, green, blue, and so on, ever darker."""
    pixels = np.zeros((40, 3, 8, 8), np.uint8)
    for row in range(40):
        pixels[row, row % 3] = 250 - 4 * row
        pixels[row, (row + 1) % 3] = 2 * row
    source = open_source(pixels, labels=np.arange(40) % 3)
    model = Model()
    meta = Meta("model", "w", "data", 40, 3, 16, "float32", 1, 8, "")
    index = build(tmp_path / "i", meta, Wanted(source, model.embed_source)).index
    places = np.stack([np.arange(40), np.arange(40) % 3], 1).astype(np.float32)
    return Answers(index, Points(places), model)


def encoded(picture, kind="PNG"):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def test_a_row_is_shown_with_its_neighbours_and_what_belongs_to_it(pictures):
    found = pictures.near(3)
    assert (
        found["one"]["row"] == 3
        and found["one"]["picture"] == "picture/3"
        and (found["one"]["x"], found["one"]["y"]) == (3, 0)
    )
    near, closest, farthest = (lists["rows"] for lists in found["lists"])
    assert near[0]["row"] in (0, 6) and 3 not in [one["row"] for one in near]
    assert [one["score"] for one in near] == sorted((one["score"] for one in near), reverse=True)
    assert closest[0]["row"] == near[0]["row"] and farthest[0]["row"] == 39 and "label 0" in found["lists"][1]["title"]
    assert all(one["row"] % 3 == 0 for one in closest + farthest)


def test_words_are_read_by_the_model_and_looked_for_in_names(pictures):
    found = pictures.by_words("gg")
    assert found["lists"][0]["rows"][0]["row"] == 1 and len(found["lists"]) == 1
    named = pictures.by_words("ROW 12")["lists"][1]
    assert [one["row"] for one in named["rows"]] == [12] and named["title"].startswith("1 hold")
    for words in ("", "  ", "x" * 3000):
        with pytest.raises(Unfit, match="letters was expected"):
            pictures.by_words(words)


def test_no_words_name_a_file(pictures, tmp_path):
    (tmp_path / "secret.txt").write_text("bbb")
    assert (
        pictures.by_words(str(tmp_path / "secret.txt"))["lists"][0]["rows"]
        != pictures.by_words("bbb")["lists"][0]["rows"]
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_dropped_picture_is_read_by_what_it_is(pictures, kind):
    found = pictures.by_picture(encoded(Image.new("RGB", (300, 200), (0, 0, 250)), kind))
    assert found["lists"][0]["rows"][0]["row"] == 2 and found["one"]["picture"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "content,told",
    [(b"", "."), (b"no picture", "."), (encoded(Image.new("1", (40_000, 40_000))), "decompression bomb")],
)
def test_what_is_no_picture_or_a_bomb_is_refused_in_a_sentence(pictures, content, told):
    with pytest.raises(Unfit, match=told) as problem:
        pictures.by_picture(content)
    assert "kontrast-" not in str(problem.value) and "/" not in str(problem.value)


def test_a_model_that_is_not_there_or_reads_words_alone_takes_no_picture(pictures):
    content = encoded(Image.new("RGB", (8, 8)))
    for model in (None, type("Reader", (Model,), {"read": lambda *_, **__: (_ for _ in ()).throw(Unfit("words"))})()):
        answers = Answers(pictures.index, pictures.points, model)
        assert not answers.reads_pictures
        with pytest.raises(Unfit, match="reads no pictures"):
            answers.by_picture(content)


def test_thumbnails_are_those_of_their_rows(pictures):
    assert pictures.thumbnail(17) == pictures.index.thumbnails([17])[0]
    for row in (40, -1):
        with pytest.raises(Unfit, match="no row"):
            pictures.thumbnail(row)


def test_suspects(tmp_path, monkeypatch):
    vectors, place = made_up()
    vectors[10] = vectors[5] * 1.001
    index = index_of(tmp_path / "i", vectors, labels=place)
    answers = Answers(index, Points(vectors[:, :2].copy()), None)
    assert answers.outliers()["lists"][0]["rows"][0]["score"] < 0.8
    found = answers.duplicates()
    assert [one["row"] for one in found["lists"][0]["rows"]] == [5, 10] and {5, 10} <= set(found["all"])
    again = Answers(index_of(tmp_path / "j", vectors), Points(vectors[:, :2].copy()), None)
    monkeypatch.setattr(module, "COMPARED", 100)
    with pytest.raises(Unfit, match=r"kontrast duplicates .*j once"):
        again.duplicates()
    near_pairs(again.index, 0.75)
    assert again.duplicates()["lists"]  # what was compared once is there


def test_selections_are_named_shown_and_written(pictures):
    name = pictures.keep(np.array([4, 2, 2]))
    assert name == "selection 1" and pictures.keep(np.array([1])) == "selection 2"
    assert pictures.rename(name, " blue = good ") == "blue = good"
    found = pictures.selected("blue = good", "label")
    assert found["title"] == "2 chosen" and found["told"] == "1 1, 1 2" and found["selection"] == "blue = good"
    head, *rows = pictures.lines("blue = good")
    assert (
        head == ["id", "name", "label", "x", "y"] and [row[0] for row in rows] == [2, 4] and rows[0][-2:] == [2.0, 2.0]
    )
    for call, told in (
        (lambda: pictures.rename("selection 2", "blue = good"), "no other selection"),
        (lambda: pictures.selection("gone"), "no selection"),
        (lambda: pictures.keep(np.array([], int)), "No row"),
        (lambda: pictures.several([1, 99]), "no row 99"),
        (lambda: pictures.several("all"), "list of rows"),
    ):
        with pytest.raises(Unfit, match=told):
            call()
