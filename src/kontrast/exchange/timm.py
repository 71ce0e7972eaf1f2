"""The timm layout: one folder that timm, transformers and sentence-transformers load.

`config.json` (architecture and `pretrained_cfg`) and `model.safetensors`. The transform lives in `pretrained_cfg`: the
one we evaluate with. `model_args` are left out where they can be, and never name `num_classes`, of which transformers
dies ("multiple values for keyword argument"). But only they tell transformers of another number of channels, or of the
picture size of a ViT.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kontrast import files
from kontrast.encoders.images.by_name import options_of
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.published import CROP_MODES, border
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.image_folder import Seeing, Told, certified, no_pictures
from kontrast.preprocessing import Preprocessing

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's name for so many channels


PROGRAM = """\
import timm, torch
net = timm.create_model("local-dir:.", pretrained=True).eval()
prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
@torch.no_grad()
def pictures(given):
    return torch.cat([net(prepare(each.convert("{mode}"))[None]) for each in given]).numpy()
"""


class Timm:
    """See `format.Format`. Where an architecture's name is the whole truth: its own stem, its own norms."""

    needs: Mapping[str, str] = {}

    def says_it(self, model: Any) -> str:
        if why := no_pictures(model):
            return why
        import timm  # takes seconds, so it comes when it is asked

        spec = model.encoder.spec
        if not timm.is_model(spec["name"]):
            return f"timm knows no {spec['name']}"
        if spec["stem"] != "imagenet" or spec["norm"] == "group":
            return "timm's name for it says neither the CIFAR stem nor GroupNorm"
        if spec.get("head"):
            return "timm's name for it does not say the linear layer after its features (--tune head)"
        look = model.look
        if look.resize_mode == "longest" and look.fill != border(look.mean):
            return "timm fills borders with the mean, and this model was trained with others"
        return "timm reads no 16-bit pictures" if look.white is not None else ""

    def write(self, folder: Path, model: Seeing, about: About) -> Certificate:
        encoder = model.encoder
        folder.mkdir(parents=True, exist_ok=True)
        written = config(encoder, model.look, f"kontrast_{about.method}")
        files.write(folder / "config.json", json.dumps(written, indent=2) + "\n")
        write_weights(folder, encoder)
        mode = MODES.get(encoder.spec["channels"], "RGB")
        usage = USAGE.format(width=encoder.width, mode=mode)
        loaders = "timm, transformers, sentence-transformers (6.2 or newer) and kontrast"
        told = Told("timm", "timm", loaders, usage, PROGRAM.format(mode=mode))
        return certified(folder, model, about, self.read(folder), told)

    def read(self, folder: Path) -> nn.Module:
        """The network as timm itself loads it."""
        import timm

        net: nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
        return net.eval()


def config(encoder: ImageEncoder, look: Preprocessing, tag: str) -> dict[str, Any]:
    """The content of config.json."""
    name, size = encoder.spec["name"].partition(".")[0], encoder.spec["image_size"]
    import timm

    published = timm.get_pretrained_cfg(name, allow_unregistered=True).to_dict()
    options = options_of(encoder.spec)
    fixed_size = bool(published.get("fixed_input_size")) and "img_size" not in options
    unusual: dict[str, Any] = {"in_chans": encoder.spec["channels"]} if encoder.spec["channels"] != 3 else {}
    unusual |= options
    if fixed_size and size != published["input_size"][-1]:
        unusual["img_size"] = size
    return {
        "architecture": name,
        "num_classes": 0,
        "num_features": encoder.width,
        **({"model_args": unusual} if unusual else {}),
        "pretrained_cfg": {
            "tag": tag,
            "custom_load": False,
            "input_size": [encoder.spec["channels"], size, size],
            "fixed_input_size": fixed_size,
            "interpolation": look.interpolation,
            "crop_pct": look.crop_pct,
            "crop_mode": CROP_MODES[look.resize_mode],
            "mean": list(look.mean),
            "std": list(look.std),
            "num_classes": 0,
            "first_conv": published.get("first_conv"),
            "classifier": published.get("classifier"),
        },
    }


def write_weights(folder: Path, encoder: ImageEncoder) -> None:
    """model.safetensors under the library's own names: fp32, and no date, duration or path in it."""
    tensors: dict[str, Tensor] = {
        name: tensor.detach().cpu().contiguous() for name, tensor in encoder.net.state_dict().items()
    }
    files.write_tensors(folder / "model.safetensors", tensors, {"format": "pt"})


USAGE = """\
```python
# timm
import timm, torch
from PIL import Image

folder = "."  # this folder
net = timm.create_model(f"local-dir:{{folder}}", pretrained=True).eval()
prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
picture = Image.new("{mode}", (300, 200))  # yours: Image.open("photo.jpg").convert("{mode}")
with torch.no_grad():
    vector = net(prepare(picture)[None])
print(vector.shape)  # (1, {width})
```

```python
# transformers
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel

folder = "."  # this folder
prepare, net = AutoImageProcessor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
picture = Image.new("{mode}", (300, 200))  # yours: Image.open("photo.jpg").convert("{mode}")
with torch.no_grad():
    vector = net(**prepare(picture, return_tensors="pt")).pooler_output
print(vector.shape)  # (1, {width})
```
"""
