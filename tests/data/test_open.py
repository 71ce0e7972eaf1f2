"""The one call that reads: what it is given decides how, and what cannot be read is told."""

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.data.open import open_source
from kontrast.errors import Unfit

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)


def test_the_same_pictures_from_everything_that_holds_them(tmp_path):
    (tmp_path / "folder").mkdir()
    for i, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / "folder" / f"{i}.png")
    np.save(tmp_path / "all.npy", PIXELS)
    names = "\n".join(f"folder/{i}.png" for i in range(6))
    (tmp_path / "table.csv").write_text("file_name\n" + names)
    given = [
        PIXELS,
        torch.from_numpy(PIXELS),
        [Image.fromarray(pixels) for pixels in PIXELS],
        tmp_path / "folder",
        str(tmp_path / "all.npy"),
    ]
    sources = [open_source(data) for data in given]
    wanted = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    for source in sources:
        assert torch.equal(source.images(source.ids), wanted), source.name
    assert open_source(sources[0]) is sources[0]
    one = open_source(tmp_path / "folder" / "3.png")
    assert torch.equal(one.images(one.ids), wanted[3:4])


@pytest.mark.parametrize(
    "data,how,told",
    [
        ("nowhere", {}, "does not exist"),
        (3, {}, "not int"),
        (PIXELS, {"channels": 2}, "not 2"),
        (PIXELS, {"columns": ["image"]}, "not of the form image=NAME"),
    ],
)
def test_what_cannot_be_read_is_told(data, how, told):
    with pytest.raises(Unfit, match=told):
        open_source(data, **how)


def test_files_of_no_known_kind_are_told(tmp_path):
    (tmp_path / "notes.xyz").write_text("a")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    with pytest.raises(Unfit, match="of a kind that cannot be read"):
        open_source(tmp_path / "notes.xyz")
    with pytest.raises(Unfit, match="cannot be read as a NumPy array"):
        open_source(tmp_path / "broken.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object))
    with pytest.raises(Unfit, match="NumPy array of numbers"):  # a pickle is never run
        open_source(tmp_path / "objects.npy")
