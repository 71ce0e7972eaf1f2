"""`--same` and `--crops` from the command line's words to the loss, for every image method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import kontrast
from kontrast.commands.preview import preview
from kontrast.errors import Unfit

IMAGES = ("simclr", "moco", "moco-v2", "swav", "byol", "barlow-twins")


QUICK = {"encoder": "small", "epochs": 1, "batch_size": 8, "validate": "none", "device": "cpu", "say": lambda _: None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 grey pictures of 20 pixels in 4 groups."""
    made = tmp_path_factory.mktemp("groups")
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 20), dtype=np.uint8)
    for i, picture in enumerate(pixels):
        (made / str(i % 4)).mkdir(exist_ok=True)
        Image.fromarray(picture).save(made / str(i % 4) / f"{i:02}.png")
    return made


@pytest.mark.parametrize("method", IMAGES)
def test_every_image_method_trains_on_groups_and_on_several_crops(method: str, folder: Path, tmp_path: Path) -> None:
    run = kontrast.train(folder, method=method, same="folder", crops="2x20+2x12", out=str(tmp_path / "r"), **QUICK)
    assert run.ending == "done" and run.plan.settings.same == "folder" and run.plan.settings.image_size == 20
    again = kontrast.train(config=tmp_path / "r" / "config.yaml", out=str(tmp_path / "again"), say=QUICK["say"])
    ours, theirs = (np.concatenate([p.ravel() for p in map(torch.Tensor.numpy, r.model.encoder.state_dict().values())])
                    for r in (run, again))  # fmt: skip
    assert (ours == theirs).all()


def test_crops_that_the_encoder_cannot_take_are_refused(folder: Path) -> None:
    with pytest.raises(Unfit, match="not crops of 8 pixels"):
        kontrast.train(folder, method="simclr", crops="2x16+2x8", **QUICK)


def test_preview_draws_the_partner(folder: Path, tmp_path: Path) -> None:
    lines = preview(folder, tmp_path / "a.png", method="simclr", same="folder", views="none")
    alone = preview(folder, tmp_path / "b.png", method="simclr", views="none")
    assert any("--same" in line for line in lines) and not any("--same" in line for line in alone)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_same_is_refused_where_positives_are_the_datas_own(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("\n".join(f"sentence number {i}" for i in range(30)))
    with pytest.raises(Unfit, match="--same means nothing to simcse, which reads texts"):
        kontrast.train(tmp_path / "s.txt", method="simcse", same="folder", dry_run=True)
