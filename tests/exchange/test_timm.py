"""Folders in the format of timm load in timm, transformers and sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.exchange.folders import MEAN, STD, about, elsewhere, look, pasted, picture, pixels_of, probe, trained

from kontrast import exchange


@pytest.mark.parametrize(
    ("name", "size", "unusual"),
    [
        ("resnet18", 96, None),
        pytest.param("vit_tiny_patch16_224", 48, {"img_size": 48}, marks=pytest.mark.proof),
    ],
)
def test_timm_folders_load_in_timm_and_transformers(
    tmp_path: Path, name: str, size: int, unusual: dict[str, int] | None
) -> None:
    encoder, folder = trained(name, size), tmp_path / "model"
    certificate = exchange.write(folder, encoder, look(encoder.spec["image_size"]), about())
    assert certificate.layout == "timm"
    config = json.loads((folder / "config.json").read_text())
    assert config.get("model_args") == unusual
    assert config["architecture"] == name
    told = config["pretrained_cfg"]
    assert (told["input_size"], told["mean"], told["std"]) == ([3, size, size], list(MEAN), list(STD))
    assert (told["crop_pct"], told["interpolation"]) == (1.0, "bicubic")
    x = probe(folder, size)
    elsewhere(
        pasted(folder) + "\nfrom safetensors.torch import load_file, save_file\n"
        "from transformers import pipeline\n"
        "net = timm.create_model(f'local-dir:{folder}', pretrained=True).eval()\n"
        "ready = timm.data.create_transform(**timm.data.resolve_model_data_config(net))(Image.open('../picture.png'))\n"
        "x = load_file('../probe.safetensors')['x']\n"
        "with torch.no_grad():\n"
        "    y, z = net(x), AutoModel.from_pretrained(folder).eval()(pixel_values=x).pooler_output\n"
        "    own = net(ready[None])[0]\n"
        "    piped = pipeline('image-feature-extraction', folder, pool=True)(Image.open('../picture.png'))[0]\n"
        "there = dict(y=y, z=z, own=own, piped=torch.tensor(piped), ready=ready)\n"
        "save_file({name: tensor.clone().contiguous() for name, tensor in there.items()}, '../there.safetensors')\n",
        folder,
    )
    there = load_file(tmp_path / "there.safetensors")
    ready = look(size)([pixels_of(picture())])
    assert float((there["ready"] - ready[0]).abs().max()) <= 1.01 / 255 / min(STD)  # Pillow rounds to whole numbers
    with torch.no_grad():
        expected = encoder(x)
    torch.testing.assert_close(there["y"], expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(there["z"], expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(there["piped"], there["own"], rtol=1e-3, atol=1e-3 * float(there["own"].abs().max()))


@pytest.mark.proof
def test_grey_timm_folders_load_in_timm_and_transformers(tmp_path: Path) -> None:
    encoder, folder = trained("resnet18", 96, 1), tmp_path / "model"
    assert exchange.write(folder, encoder, look(encoder.spec["image_size"], 1), about()).layout == "timm"
    x = probe(folder, 96, 1)
    elsewhere(
        "import timm, torch\nfrom safetensors.torch import load_file, save_file\nfrom transformers import AutoModel\n"
        "x = load_file('../probe.safetensors')['x']\n"
        "with torch.no_grad():\n"
        "    y = timm.create_model('local-dir:.', pretrained=True).eval()(x)\n"
        "    z = AutoModel.from_pretrained('.').eval()(pixel_values=x).pooler_output\n"
        "save_file(dict(y=y, z=z.clone()), '../there.safetensors')\n",
        folder,
    )
    with torch.no_grad():
        for there in load_file(tmp_path / "there.safetensors").values():
            torch.testing.assert_close(there, encoder(x), rtol=1e-6, atol=1e-6)


@pytest.mark.proof
def test_timm_folders_load_in_sentence_transformers(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", minversion="6.2")
    folder = tmp_path / "model"
    exchange.write(folder, trained("resnet18", 224), look(224), about())
    probe(folder, 224)
    elsewhere(
        "from PIL import Image\nfrom sentence_transformers import SentenceTransformer\n"
        "assert SentenceTransformer('.').encode([Image.open('../picture.png')]).shape == (1, 512)\n",
        folder,
    )
