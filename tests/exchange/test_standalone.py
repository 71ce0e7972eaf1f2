"""Plain folders load by their own encoder.py, in an interpreter that cannot import kontrast."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.exchange.folders import about, elsewhere, look, pasted, picture, pixels_of, probe, trained

from kontrast import exchange, load
from kontrast.encoders.images.by_name import image_encoder_by_name


@pytest.mark.parametrize(
    ("name", "size", "channels", "norm"),
    [
        ("small", 8, 1, "batch"),
        ("resnet18", 40, 3, "group"),
        ("torchvision:resnet18", 80, 1, "batch"),
    ],
)
def test_plain_folders_load_by_their_own_encoder_py(
    tmp_path: Path, name: str, size: int, channels: int, norm: str
) -> None:
    encoder, folder = trained(name, size, channels, norm), tmp_path / "model"
    certificate = exchange.write(folder, encoder, look(size, channels), about())
    assert certificate.layout == "plain"
    assert certificate.difference <= 1e-6 * certificate.largest
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "encoder.py", "model.safetensors"]
    x = probe(folder, size, channels)
    elsewhere(
        pasted(folder) + "\nfrom safetensors.torch import load_file, save_file\n"
        "with torch.no_grad():\n"
        "    y = load()(load_file('../probe.safetensors')['x'])\n"
        "save_file({'y': y, 'ready': prepare(Image.open('../picture.png'))}, '../there.safetensors')\n",
        folder,
    )
    there = load_file(tmp_path / "there.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(there["y"], encoder(x), rtol=1e-6, atol=1e-6)
    ready = look(size, channels)([pixels_of(picture("L" if channels == 1 else "RGB"))])
    torch.testing.assert_close(there["ready"], ready[0], rtol=0, atol=1e-6)


def test_a_linear_layer_after_the_features_is_written_and_read(tmp_path: Path) -> None:
    """`--tune head`: timm has no place for it, so the folder brings its own encoder.py."""
    encoder = image_encoder_by_name("test_vit", image_size=32, seed=3)
    torch.nn.init.normal_(encoder.add_head().weight, generator=torch.Generator().manual_seed(0))
    encoder.eval()
    certificate = exchange.write(tmp_path / "m", encoder, look(32, 3), about())
    assert certificate.layout == "plain" and certificate.difference < 1e-4
    again = load(tmp_path / "m").encoder
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again(pixels), encoder(pixels))
