"""`kontrast search`: the nearest by cosine, without the query itself; by row, by file, and refused in words."""

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.commands.search import search
from kontrast.errors import Unfit


def test_hits_are_those_of_a_full_sort(digits_run):
    model = kontrast.load(digits_run)
    source = kontrast.data.open_source("digits", split="test")
    vectors = model.embed_source(source, source.ids).double().numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit[3]
    cosine[3] = -2
    wanted = source.ids[np.argsort(-cosine)[:5]].tolist()
    sheet_in_run = digits_run / "nearest.png"  # as the README has it: a run is read, but it is no folder of data
    found = search(digits_run, "digits", str(source.ids[3]), 5, split="test", sheet=sheet_in_run)
    assert [hit["row"] for hit in found["hits"]] == wanted and found["searched"] == len(source.ids)
    with Image.open(sheet_in_run) as sheet:
        assert sheet.width > 5 * sheet.height / 2


def test_a_picture_file_finds_itself(digits_run, tmp_path):
    source = kontrast.data.open_source("digits")
    Image.fromarray(source.images([100])[0][0].numpy()).save(tmp_path / "q.png")
    hit = search(digits_run, "digits", str(tmp_path / "q.png"), 1)["hits"][0]
    assert hit["row"] == 100 and hit["score"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "query,k,told", [("99999", 3, "is not a usable row"), ("a red dog", 3, "neither a picture file"), ("1", 0, "-k")]
)
def test_what_cannot_be_asked_is_told(digits_run, query, k, told):
    with pytest.raises(Unfit, match=told):
        search(digits_run, "digits", query, k)
