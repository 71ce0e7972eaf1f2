"""A folder's encoder: every weight used, and what is no folder of ours told in words."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.exchange.folders import about, look

from kontrast import exchange
from kontrast.encoders.images.folders import stored
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Unfit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "model"
    exchange.write(path, image_encoder("small", channels=3, image_size=8, seed=3), look(8), about())
    return path


def test_a_run_folder_and_its_model_folder_are_read_alike(folder):
    for path in (folder, folder.parent):
        found = stored(path)
        assert (found.look, found.spec["name"]) == (look(8), "small")
    wanted = image_encoder("small", channels=3, image_size=8, seed=3).state_dict()
    got = stored(folder).encoder().state_dict()
    assert wanted.keys() == got.keys() and all(torch.equal(wanted[name], got[name]) for name in wanted)
    with pytest.raises(Unfit, match="size mismatch"):  # the small net ends in a matrix for its own size
        stored(folder).encoder(16)


@pytest.mark.parametrize(
    "harm,told",
    [
        (lambda path: (path / "config.json").unlink(), "holds no model"),
        (lambda path: (path / "config.json").write_text("{"), "cannot be read"),
        (lambda path: (path / "config.json").write_text(json.dumps({"encoder": 1})), "does not describe"),
        (lambda path: (path / "model.safetensors").write_bytes(b"no"), "cannot be read"),
    ],
)
def test_what_is_broken_is_told(folder, tmp_path, harm, told):
    path = tmp_path / "model"
    path.mkdir()
    for name in ("config.json", "model.safetensors"):
        (path / name).write_bytes((folder / name).read_bytes())
    harm(path)
    with pytest.raises(Unfit, match=told):
        stored(path).encoder()


def test_a_missing_weight_is_told(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    weights = load_file(folder / "model.safetensors")
    weights.pop(next(iter(weights)))
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(Unfit, match=r"do not fit the encoder that its config\.json names"):
        stored(tmp_path).encoder()
