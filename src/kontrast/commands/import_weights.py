"""`kontrast import`: published weights become a model folder, every tensor of theirs accounted for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kontrast.commands.outputs import claim_folder, new_folder
from kontrast.errors import Unfit
from kontrast.exchange import formats, published_pixels, published_weights
from kontrast.exchange.card import About
from kontrast.modalities.registry import load


def import_weights(
    weights: str | Path, out: str | Path, *, name: str | None = None, stem: str | None = None, **pixels: Any
) -> list[str]:
    """Write the encoder of a file of published weights as the folder `out`, which must not exist; returns lines.

    weights  .pth, .pt, .tar, .bin or .safetensors as MoCo, SwAV, Barlow Twins, BYOL, SimCLR, lightly, solo-learn or
             VISSL write it, or a state dict of timm or torchvision; of pickles nothing but tensors is read
    name     the network, timm's or torchvision's name; None: the ResNet of just these names and shapes
    stem     "cifar" for a 3x3 first convolution of padding 1 without a max-pool after it
    pixels   fields of `published_pixels.Asked`: preset, size, mean, std, interpolation, crop_pct

    Raises Unfit, with nothing written, where a tensor is missing, of another shape or explained by nothing, where
    nobody says how the pictures were made ready, and for what is loaded as it is. Failed where the folder, read again
    by its library, gives other vectors.
    """
    file, out = Path(weights), Path(out)
    claim_folder("--out", out)
    if file.is_dir():
        load(file)  # says what is wrong with it where it is no model
        raise Unfit(
            f"{file} needs no import: it is a model folder already; give it as it is, such as --encoder {file}."
        )
    if not file.is_file():
        raise Unfit(f"There is no file {file}.")
    read = published_weights.read(file)
    look, pixels_in_words = published_pixels.look(read.whose, published_pixels.Asked(**pixels))
    found = published_weights.encoder(read, look, name, stem)
    kinds = _kinds(found.unneeded, read.whose.encoder)
    counted = f"{found.used} of {found.used} used, {len(found.unneeded)} not needed{kinds}"
    with new_folder("--out", out) as folder:
        certificate = formats.write_encoder(folder, found.encoder, look, _about(file, read.whose, counted))
    return [
        f"whose    {read.whose.name}",
        f"network  {found.encoder.spec['name']}, {found.encoder.width:,} numbers a picture",
        f"weights  {counted}",
        f"pixels   {pixels_in_words}",
        f"same     largest difference {certificate.difference:.2g} between what was read again and the weights; the "
        f"largest value is {certificate.largest:.3g}",
        f"wrote    {out}, read by {certificate.loaders}",
    ]


def numbers(flag: str, words: str | None) -> tuple[float, ...] | None:
    """What was typed as numbers with commas between them."""
    try:
        return None if words is None else tuple(float(word) for word in words.split(","))
    except ValueError:
        raise Unfit(f"{flag} {words}: numbers with commas between them were expected, such as 0.5,0.5,0.5.") from None


def _about(file: Path, whose: Any, counted: str) -> About:
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return About(
        whose.name if whose.contrast else "an unknown method",
        "data that its file does not name",
        f"Imported from {file.name} (SHA-256 {digest}): tensors {counted}.",
        how="by contrast, without labels," if whose.contrast else "as its publisher says,",
    )


def _kinds(names: Iterable[str], encoder: str) -> str:
    """What they are, by the first words of their names; beside or in the encoder by two."""
    words = [name.removeprefix("module.").split(".") for name in names]
    kinds = list(dict.fromkeys(".".join(each[: 2 if encoder.startswith(f"{each[0]}.") else 1]) for each in words))
    return f" ({', '.join(kinds[:4])}{', ...' if len(kinds) > 4 else ''})" if kinds else ""
