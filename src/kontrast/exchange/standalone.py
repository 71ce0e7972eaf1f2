"""The plain layout, for what no other library can name: config.json, model.safetensors and a self-contained encoder.py.

encoder.py holds the source of our own functions where they are short (the small net, the CIFAR stem), so what it builds
is what was trained. It needs torch, NumPy, safetensors and Pillow, and timm or torchvision for a backbone of theirs.
"""

from __future__ import annotations

import inspect
import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from kontrast import files
from kontrast.encoders.images.backbones import from_timm, from_torchvision, library_of, put_cifar_stem
from kontrast.encoders.images.by_name import options_of
from kontrast.encoders.images.encoder import ImageEncoder, small_net
from kontrast.exchange.card import About, Certificate
from kontrast.exchange.image_folder import Seeing, Told, certified, no_pictures
from kontrast.exchange.timm import MODES, write_weights
from kontrast.preprocessing import DEFAULTS, INTERPOLATIONS, RESIZE_MODES, WHITE, Preprocessing, resize, white_of

_FRAME = '''\
"""The picture encoder of this folder. Needs {needs}; nothing else.

    from encoder import load, prepare
    net = load()
    vectors = net(torch.stack([prepare(Image.open(path)) for path in paths]))  # (n, {width})

`python encoder.py PICTURE ...` prints one JSON line with the vector of each picture.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
{imports}import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

HERE = Path(__file__).resolve().parent


{parts}

def load() -> nn.Module:
    """The network with its weights, in evaluation mode: (B, {channels}, {size}, {size}) -> (B, {width})."""
    net = build()
    net.load_state_dict(load_file(HERE / "model.safetensors"))
    return net.eval()


def prepare(picture: Image.Image | Tensor) -> Tensor:
    """A Pillow picture, or 8- or 16-bit pixels ({channels}, H, W), as it was evaluated: ({channels}, {size}, {size}).

    What is done: {look_in_words}. Of 16-bit pictures {white} is 1. Pillow reads 16-bit grey, but no 16-bit colour: give
    its pixels.
    """
    if isinstance(picture, Image.Image):
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith("I"):
            flat = torch.frombuffer(bytearray(upright.convert("I").tobytes()), dtype=torch.int32)
            picture = flat.view(1, upright.height, upright.width).expand({channels}, -1, -1)
        else:
            upright = upright.convert("{mode}")
            flat = torch.frombuffer(bytearray(upright.tobytes()), dtype=torch.uint8)
            picture = flat.view(upright.height, upright.width, {channels}).permute(2, 0, 1).contiguous()
    pixels = picture if picture.dtype == torch.uint8 else picture.to(torch.uint16)
    return LOOK(pixels[None], white={white})[0]


if __name__ == "__main__":
    net = load()
    for path in sys.argv[1:]:
        with torch.no_grad():
            print(json.dumps({{"picture": path, "vector": net(prepare(Image.open(path))[None])[0].tolist()}}))
'''

_GROUP_NORM = '''\
def put_group_norm(net: nn.Module) -> None:
    """GroupNorm of 16 channels each in place of every BatchNorm."""
    for name, child in net.named_children():
        put_group_norm(child)
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            channels = child.num_features
            norm: nn.Module = nn.GroupNorm(channels // 16 if channels % 16 == 0 else 1, channels, eps=child.eps)
            fused = type(child) not in (nn.BatchNorm1d, nn.BatchNorm2d)  # timm joins some norms with what follows them
            setattr(net, name, nn.Sequential(norm, nn.Sequential(child.drop, child.act)) if fused else norm)
'''


PROGRAM = """\
import sys, torch
sys.path.insert(0, ".")
from encoder import load, prepare
net = load()
@torch.no_grad()
def pictures(given):
    return torch.cat([net(prepare(each)[None]) for each in given]).numpy()
"""


class Standalone:
    """See `format.Format`. It can say every picture encoder."""

    needs: Mapping[str, str] = {}

    def says_it(self, model: Any) -> str:
        return no_pictures(model)

    def write(self, folder: Path, model: Seeing, about: About) -> Certificate:
        encoder, look = model.encoder, model.look
        folder.mkdir(parents=True, exist_ok=True)
        config = {"tag": f"kontrast_{about.method}", "encoder": encoder.spec, "width": encoder.width}
        config |= {name: value for name, value in vars(look).items() if name != "size" and value != DEFAULTS.get(name)}
        files.write(folder / "config.json", json.dumps(config, indent=2) + "\n")
        files.write(folder / "encoder.py", encoder_py(encoder, look))
        write_weights(folder, encoder)
        mode = MODES.get(encoder.spec["channels"], "RGB")
        usage = USAGE.format(width=encoder.width, needs=needs(encoder), mode=mode)
        loaders = f"its own encoder.py (which needs {needs(encoder)}, not kontrast) and by kontrast"
        return certified(folder, model, about, self.read(folder), Told("plain", "pytorch", loaders, usage, PROGRAM))

    def read(self, folder: Path) -> nn.Module:
        """The network as the folder's own encoder.py loads it."""
        net: nn.Module = runpy.run_path(str(folder / "encoder.py"))["load"]()
        return net


def needs(encoder: ImageEncoder) -> str:
    """The packages that encoder.py imports, in words."""
    name = encoder.spec["name"]
    return "torch, numpy, safetensors" + (" and pillow" if name == "small" else f", pillow and {library_of(name)}")


def preprocessing_py(look: Preprocessing) -> str:
    """The source of our own preprocessing, and its numbers as LOOK."""
    constants = f"WHITE = {WHITE!r}\nINTERPOLATIONS = {INTERPOLATIONS!r}\nRESIZE_MODES = {RESIZE_MODES!r}"
    parts = [constants, *(inspect.getsource(each) for each in (white_of, resize, Preprocessing)), f"LOOK = {look!r}"]
    return "\n\n\n".join(part.strip() for part in parts)


def encoder_py(encoder: ImageEncoder, look: Preprocessing) -> str:
    """The text of encoder.py."""
    spec = encoder.spec
    name, channels, size = spec["name"], spec["channels"], spec["image_size"]
    parts, imports = [], ""
    if name == "small":
        parts.append(inspect.getsource(small_net))
        body = [f"net: nn.Module = small_net({channels}, {size})"]
    else:
        library = library_of(name)
        builder = from_timm if library == "timm" else from_torchvision
        imports = f"import {library}\n"
        parts.append(inspect.getsource(builder))
        plain = name.removeprefix("torchvision:")
        options = "".join(f", {name}={value!r}" for name, value in options_of(spec).items())
        body = [f'net = {builder.__name__}("{plain}", {channels}, {size}, pretrained=False{options})']
    if spec["stem"] == "cifar":
        parts.append(inspect.getsource(put_cifar_stem))
        body.append(f"put_cifar_stem(net, {channels})")
    if spec["norm"] == "group":
        parts.append(_GROUP_NORM)
        body.append("put_group_norm(net)")
    if spec.get("head"):
        body.append(f"net = nn.Sequential(net, nn.Linear({encoder.width}, {encoder.width}))")
    lines = "".join(f"    {line}\n" for line in [*body, "return net"])
    parts.append(
        f'def build() -> nn.Module:\n    """The network that was trained, with weights as they come."""\n{lines}'
    )
    parts.append(preprocessing_py(look) + "\n")
    return _FRAME.format(
        needs=needs(encoder),
        imports=imports,
        parts="\n\n".join(parts),
        width=encoder.width,
        channels=channels,
        size=size,
        mode=MODES.get(channels, "RGB"),
        white=look.white or 65535,
        look_in_words=look.in_words(),
    )


USAGE = """\
```python
import torch
from PIL import Image

from encoder import load, prepare  # encoder.py of this folder; needs {needs}

net = load()
picture = Image.new("{mode}", (300, 200))  # yours: Image.open("photo.jpg")
with torch.no_grad():
    vector = net(prepare(picture)[None])
print(vector.shape)  # (1, {width})
```
"""
