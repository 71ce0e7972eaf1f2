"""Folders with an encoder of pictures: written, read back, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.exchange.folders import about, look, trained

from kontrast import exchange
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Unfit


def test_the_same_encoder_writes_the_same_bytes(tmp_path: Path) -> None:
    for place in ("a", "b/c"):
        exchange.write(tmp_path / place, trained("small", 8, 1), look(8, 1), about())
    for file in ("model.safetensors", "config.json", "encoder.py", "README.md"):
        content = (tmp_path / "a" / file).read_bytes()
        assert content == (tmp_path / "b/c" / file).read_bytes()
        assert str(tmp_path).encode() not in content
    with safe_open(tmp_path / "a" / "model.safetensors", framework="pt") as weights:
        assert weights.metadata() == {"format": "pt"}


@pytest.mark.parametrize(("name", "size"), [("small", 8), ("resnet18", 32), ("resnet18", 96)])
def test_what_was_written_is_read_back(tmp_path: Path, name: str, size: int) -> None:
    encoder = trained(name, size)
    exchange.write(tmp_path / "run" / "model", encoder, look(size), about())
    for place in ("run", "run/model"):
        found = exchange.read(tmp_path / place)
        assert found.look == look(size)
        again = found.encoder()
        assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), encoder.state_dict().values()))
        named = image_encoder(str(tmp_path / place), image_size=size, seed=0)
        assert all(torch.equal(a, b) for a, b in zip(named.state_dict().values(), encoder.state_dict().values()))
        assert named.spec["name"] == name


def test_folders_that_hold_no_model_of_ours_are_told(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="holds no model"):
        exchange.read(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(Unfit, match="cannot be read"):
        exchange.read(tmp_path)
    (tmp_path / "config.json").write_text('{"hidden_size": 3}')
    with pytest.raises(Unfit, match="does not describe a picture encoder"):
        exchange.read(tmp_path)


def test_weights_that_lack_or_miss_something_are_refused(tmp_path: Path) -> None:
    exchange.write(tmp_path, trained("small", 8), look(8), about())
    weights = load_file(tmp_path / "model.safetensors")
    for wrong in (
        {key: value for key, value in weights.items() if key != "3.weight"},
        weights | {"head.weight": torch.zeros(1)},
        weights | {"3.weight": torch.zeros(2, 2)},
    ):
        save_file(wrong, tmp_path / "model.safetensors")
        with pytest.raises(Unfit, match=r"do not fit .*(3|head)\.weight"):
            exchange.read(tmp_path).encoder()
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(Unfit, match="cannot be read"):
        exchange.read(tmp_path).encoder()


def test_channels_that_do_not_fit_are_told(tmp_path: Path) -> None:
    exchange.write(tmp_path, trained("small", 8, 1), look(8, 1), about())
    with pytest.raises(Unfit, match="takes 1 channels; the pictures have 3"):
        image_encoder(str(tmp_path), image_size=8, channels=3, seed=0)
