"""No verb writes over its data, a query, or a file that kontrast did not make; what it made, it writes anew."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kontrast.commands import outputs
from kontrast.commands.embed import _write
from kontrast.errors import Unfit

IDS, NAMES = np.arange(3), ["a", "b", "\udcff.png"]
VECTORS = np.eye(3, dtype=np.float32)


def notes(folder):
    """The case of the report: the vectors' names would land on the data."""
    path = folder / "notes.csv"
    path.write_text("text,author\n" + "".join(f"a sentence about {i},me{i}\n" for i in range(8)))
    return path


def kept(claim, *words, **more):
    """What is refused leaves every file as it was."""
    with pytest.raises(Unfit) as told:
        claim(*words, **more)
    return str(told.value)


def test_vectors_beside_data_of_that_name_are_refused(tmp_path):
    data = notes(tmp_path)
    assert "what the command reads" in kept(outputs.claim_vectors, "--out", tmp_path / "notes.npy", (data,))
    assert "did not make" in kept(outputs.claim_vectors, "--out", tmp_path / "notes.npy", ())


@pytest.mark.parametrize("how", [os.link, os.symlink])
def test_data_is_known_under_another_name(tmp_path, how):
    data = notes(tmp_path)
    how(data, tmp_path / "other.csv")
    assert "reads" in kept(outputs.claim_vectors, "--out", tmp_path / "other.npy", (data,))
    (tmp_path / "folder").symlink_to(tmp_path)
    assert "reads" in kept(outputs.claim_vectors, "--out", tmp_path / "folder" / "notes.npy", (str(data),))


def test_what_it_made_it_writes_anew(tmp_path):
    out, sheet = tmp_path / "v.npy", tmp_path / "s.png"
    for _ in range(2):
        outputs.claim_vectors("--out", out, ("digits",))
        _write(out, IDS, NAMES, [VECTORS])
        outputs.claim_picture("--sheet", sheet, ("digits",))
        outputs.write_picture(sheet, Image.new("RGB", (4, 4)))
    assert np.array_equal(np.load(out), VECTORS)
    assert "reads" in kept(outputs.claim_vectors, "--out", out, (out,))
    assert "reads" in kept(outputs.claim_picture, "--sheet", sheet, (None, sheet))


def test_a_table_it_made_it_writes_anew(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    out = tmp_path / "v.parquet"
    for _ in range(2):
        outputs.claim_vectors("--out", out, ())
        _write(out, IDS, ["a", "b", "c"], [VECTORS])
    assert pq.read_table(out).column("name").to_pylist() == ["a", "b", "c"]
    pq.write_table(pq.read_table(out).replace_schema_metadata(None), out)
    assert "did not make" in kept(outputs.claim_vectors, "--out", out, ())


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif"])
def test_somebody_elses_picture_stays(tmp_path, ending):
    out = tmp_path / f"holiday{ending}"
    Image.new("RGB", (4, 4)).save(out)
    content = out.read_bytes()
    assert "did not make" in kept(outputs.claim_picture, "--sheet", out, ())
    assert out.read_bytes() == content
    out.unlink()
    outputs.write_picture(out, Image.new("RGB", (4, 4)))
    outputs.claim_picture("--sheet", out, ())


@pytest.mark.parametrize("name", ["v.npy", "v.csv"])
def test_one_of_the_two_alone_is_a_strangers(tmp_path, name):
    _write(tmp_path / "v.npy", IDS, NAMES, [VECTORS])
    (tmp_path / name).unlink()
    assert "did not make" in kept(outputs.claim_vectors, "--out", tmp_path / "v.npy", ())


@pytest.mark.parametrize("name", ["nowhere/v.npy", "v.txt", "v", ".", "folder.npy", "dangling.npy"])
def test_what_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "dangling.npy").symlink_to(tmp_path / "nothing")
    kept(outputs.claim_vectors, "--out", tmp_path / name, ())
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", ["sheet.txt", "sheet", "sheet.xbm", "sheet.npy"])
def test_a_sheet_needs_the_ending_of_a_picture(tmp_path, name):
    assert "ending" in kept(outputs.claim_picture, "--sheet", tmp_path / name, ())


def test_nothing_joins_a_folder_of_data(tmp_path, monkeypatch):
    data = tmp_path / "pictures"
    (data / "deep").mkdir(parents=True)
    assert "part of it" in kept(outputs.claim_picture, "--out", data / "deep" / "s.png", (data,))
    assert "part of it" in kept(outputs.claim_vectors, "--out", data / "metadata.npy", (data,))
    outputs.claim_vectors("--out", data / "vectors.npy", (str(data),))
    monkeypatch.chdir(tmp_path)
    assert "part of it" in kept(outputs.claim_picture, "--out", Path("pictures/s.png"), ("pictures",))


def test_a_folder_comes_whole_or_not_at_all(tmp_path):
    out = tmp_path / "deep" / "out"
    outputs.claim_folder("--out", out)
    with pytest.raises(KeyError), outputs.new_folder("--out", out) as folder:
        folder.mkdir()
        raise KeyError
    assert not list(out.parent.iterdir())
    with outputs.new_folder("--out", out) as folder:
        folder.mkdir()
        (folder / "config.json").touch()
        assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"] and (out / "config.json").is_file()
    assert "nothing is overwritten" in kept(outputs.claim_folder, "--out", out)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "exists already" in kept(outputs.claim_folder, "--out", tmp_path / "link")
