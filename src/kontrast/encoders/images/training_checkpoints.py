"""Checkpoint files of other people's training programs: told apart by the names of their tensors, and not read yet."""

from __future__ import annotations

from pathlib import Path

from kontrast.encoders import weight_files
from kontrast.errors import Unfit

# whose: (what every such file has, where its backbone lies), the more telling first
KNOWN: dict[str, tuple[tuple[str, ...], str]] = {
    "MoCo": (("module.encoder_q.",), "module.encoder_q."),
    "SwAV": (("module.projection_head.", "module.conv1."), "module."),
    "Barlow Twins": (("module.backbone.", "module.projector."), "module.backbone."),
    "SimCLR": (("backbone.fc.0.",), "backbone."),
    "lightly": (("backbone.", "projection_head."), "backbone."),
    "solo-learn": (("backbone.", "projector."), "backbone."),
}
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".pkl")
FOLDERS = "timm.models.save_for_hf(net, FOLDER, safe_serialization=True)"


def refused(file: Path) -> Unfit:
    """The sentence for a file where a name or a folder was expected."""
    names = list(weight_files.tensors(file))
    whose, prefix = "", ""
    for known, (needed, inside) in KNOWN.items():
        if not whose and all(any(name.startswith(start) for name in names) for start in needed):
            whose, prefix = known, inside
    what = f"a training checkpoint as {whose} writes it" if whose else "a file of weights that does not say of what"
    where = f"those of its tensors that begin with {prefix!r}, without that," if prefix else "its tensors"
    return Unfit(
        f"--encoder {file} is {what}; a name or a folder with a model is expected. To make a folder of it, load "
        f"{where} into timm's network of that name, without its classifier, and call {FOLDERS}."
    )
