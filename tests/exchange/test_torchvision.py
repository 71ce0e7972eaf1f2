"""torchvision's folder: its own constructor and its own preprocessing, or a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.exchange.test_foreign_pictures import PICTURES
from tests.exchange.test_formats import ABOUT, model

from kontrast.encoders.images.open import image_encoder
from kontrast.exchange.torchvision import PROGRAM, Torchvision
from kontrast.modalities.images.model import Model
from kontrast.preprocessing import Preprocessing

LOOK = Preprocessing(64, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), "bilinear", crop_pct=0.875)


def test_by_torchvision_alone_the_vectors_are_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Model(image_encoder("torchvision:resnet18", image_size=224, channels=3, seed=0).eval(), LOOK)
    certificate = Torchvision().write(tmp_path / "there", made, ABOUT)
    assert certificate.difference == 0 and certificate.program == PROGRAM
    monkeypatch.chdir(tmp_path / "there")
    found: dict = {}
    exec(PROGRAM, found)
    given = [picture for name, picture in PICTURES.items() if name != "huge"]
    torch.testing.assert_close(torch.from_numpy(found["pictures"](given)), torch.from_numpy(made.embed(given)))


@pytest.mark.parametrize(
    ("name", "told"),
    [("small", "torchvision knows no small"), ("cifar", "another conv1.weight"), ("texts", "picture encoders alone")],
)
def test_what_it_cannot_say_is_said(name: str, told: str) -> None:
    assert told in Torchvision().says_it(model(name))


def test_another_preprocessing_is_said() -> None:
    made = model("resnet18")
    squashed = Preprocessing(224, made.look.mean, made.look.std, resize_mode="squash")
    assert "cuts the centre out" in Torchvision().says_it(Model(made.encoder, squashed))
