"""The timm layout: one folder that timm, transformers and sentence-transformers load.

`config.json` (architecture and `pretrained_cfg`) and `model.safetensors`. The transform lives in `pretrained_cfg`: the
one we evaluate with. `model_args` are left out where they can be, and never name `num_classes`, of which transformers
dies ("multiple values for keyword argument"). But only they tell transformers of another number of channels, or of the
picture size of a ViT.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
from safetensors.torch import save_file
from torch import Tensor, nn

from kontrast.encoders.images.by_name import options_of
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.published import CROP_MODES, border
from kontrast.preprocessing import Preprocessing


def says_it(encoder: ImageEncoder, look: Preprocessing) -> bool:
    """Whether an architecture name of timm is the whole truth: own stem, own norms, and pixels as timm makes them."""
    spec = encoder.spec
    if look.white is not None or (look.resize_mode == "longest" and look.fill != border(look.mean)):
        return False  # timm reads no 16-bit pictures, and fills borders with the mean
    return spec["stem"] == "imagenet" and spec["norm"] != "group" and bool(timm.is_model(spec["name"]))


def config(encoder: ImageEncoder, look: Preprocessing, tag: str) -> dict[str, Any]:
    """The content of config.json."""
    name, size = encoder.spec["name"].partition(".")[0], encoder.spec["image_size"]
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


def write(folder: Path, encoder: ImageEncoder, look: Preprocessing, tag: str) -> None:
    """Write config.json and model.safetensors."""
    (folder / "config.json").write_text(json.dumps(config(encoder, look, tag), indent=2) + "\n")
    write_weights(folder, encoder)


def write_weights(folder: Path, encoder: ImageEncoder) -> None:
    """model.safetensors under the library's own names: fp32, and no date, duration or path in it."""
    tensors: dict[str, Tensor] = {
        name: tensor.detach().cpu().contiguous() for name, tensor in encoder.net.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def read(folder: Path) -> nn.Module:
    """The network as timm itself loads it."""
    net: nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
    return net.eval()


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
