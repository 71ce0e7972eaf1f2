"""Writing a `model/` folder, with a certificate that what was written is what was trained."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor

from kontrast import keyed
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.errors import Failed
from kontrast.exchange import standalone, timm
from kontrast.exchange.card import About, Certificate, card
from kontrast.preprocessing import Preprocessing

PROBES = 16  # pictures of noise for the certificate
TOLERANCE = 1e-4  # largest difference over largest value; the same kernels in fp32 give 0


def write(folder: str | Path, encoder: ImageEncoder, look: Preprocessing, about: About) -> Certificate:
    """Write config.json, model.safetensors, README.md and, where no library knows the architecture, encoder.py.

    look: how its pictures are made ready.

    Raises Failed if what was written, read again, does not give the vectors of the encoder in memory.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    spec, width = encoder.spec, encoder.width
    layout = timm if timm.says_it(encoder, look) else standalone
    tag = f"kontrast_{about.method}"
    if layout is timm:
        timm.write(folder, encoder, look, tag)
    else:
        standalone.write(folder, encoder, look, tag)
    if layout is timm:
        loaders = "timm, transformers, sentence-transformers (6.2 or newer) and kontrast"
    else:
        loaders = f"its own encoder.py (which needs {standalone.needs(encoder)}, not kontrast) and by kontrast"
    live_BH, again_BH = _vectors(copy.deepcopy(encoder).cpu().float(), spec), _vectors(layout.read(folder), spec)
    difference, largest = float((live_BH - again_BH).abs().max()), float(live_BH.abs().max())
    if not difference <= TOLERANCE * max(1.0, largest):
        raise Failed(
            f"{folder} was written but gives other vectors when it is read again (difference {difference:.2g})."
        )
    usage = layout.USAGE.format(
        width=width, needs=standalone.needs(encoder), mode=standalone.MODES.get(spec["channels"], "RGB")
    )
    library = "timm" if layout is timm else "pytorch"

    def told(known: About) -> str:
        return card(spec, width, look, known, library=library, loaders=loaders, usage=usage, difference=difference)

    certificate = Certificate("timm" if layout is timm else "plain", loaders, difference, largest, told)
    certificate.write_card(folder, about)
    return certificate


@torch.no_grad()
def _vectors(net: torch.nn.Module, spec: dict[str, int]) -> Tensor:
    shape = (PROBES, spec["channels"], spec["image_size"], spec["image_size"])
    vectors_BH: Tensor = net.eval()(torch.randn(shape, generator=keyed.generator("certificate")))
    return vectors_BH
