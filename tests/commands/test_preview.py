"""`kontrast preview`: the views that a run would draw, from their keys alone."""

import pytest
from PIL import Image

from kontrast.commands.preview import SHOWN, preview
from kontrast.errors import Unfit


def test_the_sheet_is_a_function_of_seed_and_epoch(tmp_path):
    lines = preview("digits", tmp_path / "a.png", method="simclr")
    assert f"views of {SHOWN} samples, epoch 0" in lines[1]
    preview("digits", tmp_path / "b.png", method="simclr")
    preview("digits", tmp_path / "c.png", method="simclr", epoch=1)
    preview("digits", tmp_path / "d.png", method="simclr", seed=1)
    read = [(tmp_path / f"{name}.png").read_bytes() for name in "abcd"]
    assert read[0] == read[1] and len(set(read)) == 3
    preview("digits", tmp_path / "few.png", method="simclr", ids=[2, 5])
    with Image.open(tmp_path / "few.png") as few, Image.open(tmp_path / "a.png") as many:
        assert few.height < many.height or few.width < many.width


def test_what_cannot_be_drawn_is_told(tmp_path):
    with pytest.raises(Unfit, match="--id 99999 is not a usable sample"):
        preview("digits", tmp_path / "a.png", method="simclr", ids=[99999])
    with pytest.raises(Unfit, match="there is no folder"):
        preview("digits", tmp_path / "nowhere" / "a.png", method="simclr")
    (tmp_path / "s.txt").write_text("\n".join(f"sentence number {n}" for n in range(40)))
    with pytest.raises(Unfit, match="preview draws views of pictures"):
        preview(tmp_path / "s.txt", tmp_path / "a.png", method="simcse")
