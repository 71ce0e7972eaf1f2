"""`model/` folders, read by other libraries in processes where kontrast cannot be imported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from kontrast import exchange, keyed
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Failed, Unfit
from kontrast.exchange import About
from kontrast.preprocessing import Preprocessing

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
FOREIGN = "import sys\nsys.modules['kontrast'] = None  # importing it now fails\n"


def look(size: int, channels: int = 3) -> Preprocessing:
    return Preprocessing(size, MEAN[:channels], STD[:channels])


def about() -> About:
    return About(
        method="simclr",
        data="200 pictures",
        verdict="learned: kNN 0.8, random weights 0.3",
        settings={"epochs": 2, "temperature": 0.5},
        evaluation={"learned": {"knn_top1": 0.8123, "recall_at_1": 0.5}, "random_weights": {"knn_top1": 0.3}},
        evaluated_on="100 pictures never trained on",
    )


def trained(name: str, size: int, channels: int = 3, norm: str = "batch") -> ImageEncoder:
    """An encoder whose every tensor differs from what its constructor makes, running statistics included."""
    encoder = image_encoder(name, image_size=size, channels=channels, seed=3, norm=norm)
    draw = keyed.generator("trained", name)
    with torch.no_grad():
        for key, tensor in encoder.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=draw), alpha=0.05)
            else:
                tensor.add_(len(key))
    return encoder.eval()


def picture(mode: str = "RGB") -> Image.Image:
    pixels = keyed.below(256, "picture", np.arange(90 * 70 * 3)).astype(np.uint8).reshape(70, 90, 3)
    return Image.fromarray(pixels).resize((180, 140), Image.Resampling.BICUBIC).convert(mode)


def pixels_of(image: Image.Image) -> Tensor:
    values = np.asarray(image)
    return torch.from_numpy(values.reshape(*values.shape[:2], -1).transpose(2, 0, 1).copy())


def elsewhere(program: str, folder: Path) -> None:
    """Run a program in the folder, in a process that has no kontrast and no network."""
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", FOREIGN + program], cwd=folder, env=offline, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def pasted(folder: Path) -> str:
    """The Python blocks of the model card, one after another."""
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert blocks
    return "\n".join(blocks)


def probe(folder: Path, size: int, channels: int = 3) -> Tensor:
    x = torch.randn(5, channels, size, size, generator=keyed.generator("probe"))
    save_file({"x": x}, folder.parent / "probe.safetensors")
    picture("L" if channels == 1 else "RGB").save(folder.parent / "picture.png")
    return x


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


@pytest.mark.parametrize(
    ("name", "size", "unusual"),
    [
        ("resnet18", 224, None),
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
    exchange.write(tmp_path / "run" / "model", encoder, look(encoder.spec["image_size"]), about())
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
        with pytest.raises(Unfit, match=r"does not fit .*(3|head)\.weight"):
            exchange.read(tmp_path).encoder()
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(Unfit, match="cannot be read"):
        exchange.read(tmp_path).encoder()


def test_channels_that_do_not_fit_are_told(tmp_path: Path) -> None:
    exchange.write(tmp_path, trained("small", 8, 1), look(8, 1), about())
    with pytest.raises(Unfit, match="takes 1 channels; the pictures have 3"):
        image_encoder(str(tmp_path), image_size=8, channels=3, seed=0)


def test_a_folder_that_gives_other_vectors_is_not_certified(tmp_path: Path) -> None:
    encoder = trained("small", 8)
    encoder.net[0].register_forward_hook(lambda _module, _inputs, y: y + 1)  # a live net that no file describes
    with pytest.raises(Failed, match="gives other vectors"):
        exchange.write(tmp_path, encoder, look(encoder.spec["image_size"]), about())


def test_the_card_tells_data_method_metrics_and_loaders(tmp_path: Path) -> None:
    exchange.write(tmp_path, trained("resnet18", 32), look(32), about())
    card = (tmp_path / "README.md").read_text()
    for part in (
        "# resnet18 with the 3x3 CIFAR stem, trained with simclr",
        "on 200 pictures",
        "learned: kNN 0.8, random weights 0.3",
        "own encoder.py (which needs torch, safetensors, pillow and timm, not kontrast)",
        "| | learned | random weights |",
        "| knn_top1 | 0.8123 | 0.3 |",
        "| recall_at_1 | 0.5 |  |",
        "On 100 pictures never trained on",
        "| temperature | 0.5 |",
        "mean (0.4, 0.5, 0.6) and std (0.2, 0.25, 0.3)",
    ):
        assert part in card
    assert card.startswith("---\nlibrary_name: pytorch\n")
