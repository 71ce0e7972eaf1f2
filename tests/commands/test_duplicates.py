"""`kontrast duplicates`: planted copies, leaks between splits and between two indexes, a table that train reads."""

import numpy as np
import pytest
from PIL import Image

import kontrast
from kontrast.commands.duplicates import duplicates
from kontrast.errors import Unfit
from kontrast.vector_index.layout import Index


@pytest.fixture(scope="module")
def copies(digits_run, tmp_path_factory):
    """(index, folder): 40 digits in train/, of which 6 lie in test/ again, brightened."""
    folder = tmp_path_factory.mktemp("copies")
    source = kontrast.data.open_source("digits")
    for part in ("train", "test"):
        (folder / "data" / part).mkdir(parents=True)
    for n, picture in enumerate(source.images(source.ids[:52])):
        pixels = picture[0].numpy()
        Image.fromarray(pixels).save(folder / "data" / ("train" if n < 40 else "test") / f"{n:02d}.png")
        if n < 6:
            Image.fromarray(np.minimum(pixels * 1.1, 255).astype(np.uint8)).save(folder / "data/test" / f"c{n}.png")
    kontrast.index(digits_run, folder / "data", folder / "i")
    return folder / "i", folder / "data"


def test_copies_are_grouped_and_leaks_are_named(copies):
    index = Index.open(copies[0])
    names = dict(zip(index.column("id"), index.column("name")))
    result, lines = duplicates(index, threshold=0.9)
    groups = {tuple(sorted(names[row] for row in group)) for group in result["groups"]}
    assert groups >= {(f"test/c{n}.png", f"train/{n:02d}.png") for n in range(6)} and len(groups) <= 8
    assert {frozenset((names[a], names[b])) for a, b, _ in result["leaks"]} >= {
        frozenset((f"test/c{n}.png", f"train/{n:02d}.png")) for n in range(6)
    }
    assert any(line.startswith("leaks") for line in lines)


def test_the_line_is_shown_from_both_sides_and_moves_without_a_scan(copies, tmp_path, monkeypatch):
    first, lines = duplicates(copies[0], sheet=tmp_path / "sheet.png")
    assert first["why"].startswith(("the fewest", "no pair"))
    assert any(line.startswith("above") for line in lines) and any(line.startswith("below") for line in lines)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 400
    monkeypatch.setattr("kontrast.vector_index.pairs.scanned", lambda *_: pytest.fail("scanned again"))
    assert duplicates(copies[0], threshold=0.97)[0]["pairs"] <= duplicates(copies[0], threshold=0.8)[0]["pairs"]


@pytest.mark.parametrize("name", ["groups.csv", "groups.parquet"])
def test_train_reads_the_table(copies, name):
    out = copies[1] / name
    duplicates(copies[0], threshold=0.9, out=out)
    source = kontrast.data.open_source(out, same="group")
    assert len(source.ids) == 58 and len(np.unique(source.groups)) <= 52
    out.unlink()


def test_an_index_of_other_data_tells_what_is_in_both(copies, digits_run, tmp_path):
    kontrast.index(digits_run, copies[1] / "train", tmp_path / "train")
    kontrast.index(digits_run, copies[1] / "test", tmp_path / "test")
    result, _ = duplicates(tmp_path / "train", against=tmp_path / "test", threshold=0.85)
    assert len({b for _, b, _ in result["leaks"]}) >= 6


@pytest.mark.parametrize(
    "how,told",
    [
        ({"threshold": 2.0}, "--threshold 2"),
        ({"by": "smell"}, "--by 'smell'"),
        ({"out": "groups.json"}, "ends in .csv or .parquet"),
    ],
)
def test_what_means_nothing_is_refused(copies, tmp_path, how, told):
    if "out" in how:
        how = {"out": tmp_path / how["out"]}
    with pytest.raises(Unfit, match=told):
        duplicates(copies[0], **how)
