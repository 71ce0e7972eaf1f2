"""torchvision's names: a state dict that torchvision's own constructor loads.

    model.safetensors   the weights under torchvision's names, without those of a classifier
    config.json         architecture, the layer that was its classifier, and how pictures are made ready

torchvision keeps no preprocessing with weights: config.json holds the arguments of its `ImageClassification`, and the
card has the lines that use them. timm's and torchvision's ResNets name their tensors alike, so one file serves both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kontrast import files
from kontrast.encoders import weight_files
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.image_folder import Seeing, Told, certified, no_pictures
from kontrast.exchange.timm import write_weights

_BUILT = """\
import json, torch
from pathlib import Path
from safetensors.torch import load_file
from torchvision import models
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

config = json.loads(Path("config.json").read_text())  # of this folder
net = models.get_model(config["architecture"], weights=None, **config["options"])
net.set_submodule(config["classifier"], torch.nn.Identity())
net.load_state_dict(load_file("model.safetensors"))
net.eval()
look = config["preprocessing"]
prepare = ImageClassification(**{**look, "interpolation": InterpolationMode(look["interpolation"])})
"""
PROGRAM = f"""\
{_BUILT}
@torch.no_grad()
def pictures(given):
    return torch.cat([net(prepare(each.convert("RGB"))[None]) for each in given]).numpy()
"""
USAGE = f"""\
```python
{_BUILT}
from PIL import Image

picture = Image.new("RGB", (300, 200))  # yours: Image.open("photo.jpg").convert("RGB")
with torch.no_grad():
    vector = net(prepare(picture)[None])
print(vector.shape)  # (1, {{width}})
```
"""


class Torchvision:
    """See `format.Format`. Networks whose tensors torchvision's constructor of that name has, every one of them."""

    needs: Mapping[str, str] = {}

    def says_it(self, model: Any) -> str:
        if why := no_pictures(model):
            return why
        name = _name(model.encoder.spec["name"])
        import torchvision  # takes seconds, so it comes when it is asked

        if name not in torchvision.models.list_models(module=torchvision.models):
            return f"torchvision knows no {name}"
        with torch.device("meta"):
            theirs = _built(name, model.encoder.spec["image_size"]).state_dict()
        ours = model.encoder.net.state_dict()
        for tensor in sorted(theirs.keys() ^ ours.keys()) or sorted(theirs):
            if tensor not in ours or tensor not in theirs or ours[tensor].shape != theirs[tensor].shape:
                return f"torchvision's {name} has another {tensor}"
        if model.look.resize_mode != "shortest" or model.look.white is not None:
            return "torchvision's preprocessing cuts the centre out of 8-bit pictures, and this model's does not"
        return ""

    def write(self, folder: Path, model: Seeing, about: About) -> Certificate:
        encoder, look = model.encoder, model.look
        folder.mkdir(parents=True, exist_ok=True)
        name = _name(encoder.spec["name"])
        content = {
            "architecture": name,
            "options": _options(name, look.size),
            "classifier": _classifier(_network(name, look.size)),
            "preprocessing": {
                "crop_size": look.size,
                "resize_size": math.floor(look.size / look.crop_pct),
                "mean": list(look.mean),
                "std": list(look.std),
                "interpolation": look.interpolation,
            },
        }
        files.write(folder / "config.json", json.dumps(content, indent=2) + "\n")
        write_weights(folder, encoder)
        told = Told("torchvision", "torchvision", "torchvision", USAGE.replace("{width}", str(encoder.width)), PROGRAM)
        return certified(folder, model, about, self.read(folder), told)

    def read(self, folder: Path) -> nn.Module:
        """The network as torchvision builds it, with the folder's weights."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        net = _built(config["architecture"], config["preprocessing"]["crop_size"])
        net.load_state_dict(weight_files.read(folder))
        return net.eval()


def _name(name: str) -> str:
    return name.removeprefix("torchvision:").partition(".")[0]


def _options(name: str, size: int) -> dict[str, Any]:
    """A ViT's positions are made for one size."""
    return {"image_size": size} if name.startswith("vit_") else {}


def _network(name: str, size: int) -> nn.Module:
    import torchvision

    with torch.device("meta"):
        net: nn.Module = torchvision.models.get_model(name, weights=None, **_options(name, size))
    return net


def _built(name: str, size: int) -> nn.Module:
    """torchvision's network without its classifier."""
    import torchvision

    net: nn.Module = torchvision.models.get_model(name, weights=None, **_options(name, size))
    net.set_submodule(_classifier(net), nn.Identity())
    return net


def _classifier(net: nn.Module) -> str:
    """The name of its last Linear."""
    names: list[str] = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    return names[-1]
