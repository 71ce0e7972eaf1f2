"""What the tests of model folders share: an encoder, a picture, and an interpreter without kontrast."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from kontrast import keyed
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.open import image_encoder
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
