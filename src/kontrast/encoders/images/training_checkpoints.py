"""The sentence for a file of weights where a name or a folder was expected: whose it is, and the verb that reads it."""

from __future__ import annotations

from pathlib import Path

from kontrast.encoders import weight_files
from kontrast.encoders.images.publishers import PLAIN, bare, elsewhere, publisher_of
from kontrast.errors import Unfit

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".pkl", ".torch")


def refused(file: Path) -> Unfit:
    """The sentence for a file where a name or a folder was expected."""
    names = bare(weight_files.tensors(file))
    if words := elsewhere(names):
        return Unfit(f"--encoder {file} is {words}.")
    whose = publisher_of(names)
    what = (
        "a file of weights that does not say of what" if whose is PLAIN else f"a checkpoint as {whose.name} writes it"
    )
    return Unfit(
        f"--encoder {file} is {what}; a name or a folder with a model is expected. To make a folder of it: "
        f"kontrast import {file} --out FOLDER."
    )
