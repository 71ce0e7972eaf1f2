"""`kontrast export`: a trained model in another format, read where there is no kontrast and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor

from kontrast import files, keyed
from kontrast.commands.outputs import claim_folder, new_folder
from kontrast.commands.vectors import opened
from kontrast.errors import Unfit
from kontrast.exchange import elsewhere, formats
from kontrast.exchange.card import About, Certificate
from kontrast.modalities.registry import load


def export(run: str | Path, to: str, out: Path) -> list[str]:
    """Write the model of a run or model folder as `out`, which must not exist yet; returns the lines to print.

    It is written beside `out` and takes its name when the library that it is for has read it in a process of its own
    and gives the same vectors of 64 samples of the run's data. Unfit, with the formats that can, where this one cannot
    say the model; Failed, with nothing left behind, where vectors differ.
    """
    claim_folder("--out", out)
    model = load(run)
    written_by = formats.checked(to, model)
    with new_folder("--out", out) as folder:
        certificate = written_by.write(folder, model, about(Path(run)))
        proof = proven(folder, certificate, Path(run), model) if certificate.program else []
    return [
        f"format   {to}, read by {certificate.loaders}",
        f"same     largest difference {certificate.difference:.2g} between what was read again and the model; its "
        f"largest value is {certificate.largest:.3g}",
        *proof,
        f"wrote    {out}",
    ]


def proven(folder: Path, certificate: Certificate, run: Path, model: Any) -> list[str]:
    """What is printed of the folder read where there is no kontrast, on samples; the card gets it, too."""
    used = samples(run, model)
    difference = elsewhere.proven(folder, certificate, used, model)
    told = f"largest difference {difference:.2g} in a process without kontrast, of {used.called}"
    card = (folder / "README.md").read_text(encoding="utf-8")
    files.write(folder / "README.md", f"{card}\nProven when it was written: {told}.\n")
    return [f"proven   {told}"]


def samples(run: Path, model: Any) -> elsewhere.Samples:
    """64 samples of a run's data; made up where the folder is no run's, or the data have gone."""
    config = _content(run / "config.yaml")
    how = {name: config[name] for name in ("columns", "follow_links") if config.get(name)}
    try:
        source = opened(model, config["data"], config.get("split"), **how)
    except (KeyError, Unfit, OSError):
        mode = "L" if getattr(model, "spec", {}).get("channels") == 1 else "RGB"
        return elsewhere.made_up(pictures=hasattr(model, "image_size"), sentences=model.words, mode=mode)
    ids = source.ids[keyed.permuted(np.arange(min(elsewhere.COUNT, len(source.ids))), len(source.ids), "export")]
    if source.pictures is None:
        called = dict(zip(source.ids.tolist(), model.called(source)))
        sentences = [called[number] for number in ids.tolist()]
        return elsewhere.Samples(f"{len(ids)} sentences of {source.name}", sentences=sentences)
    pictures = [_picture(pixels, source.white) for pixels in source.images(ids)]
    sentences = source.texts(ids) if model.words and "text" in source.columns else []
    kinds = "pictures and captions" if sentences else "pictures"
    return elsewhere.Samples(f"{len(ids)} {kinds} of {source.name}", pictures, sentences)


def _picture(pixels: Tensor, white: float) -> Image.Image:
    """(C, H, W) as a Pillow picture of 8 bits."""
    if pixels.dtype != torch.uint8:
        pixels = (pixels.float() * (255 / white)).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).squeeze(2).numpy())


def about(run: Path) -> About:
    """What a run folder tells of itself, for the card; of a bare model folder little is known."""
    config, summary = _content(run / "config.yaml"), _content(run / "summary.json")
    method = config.get("method", "an unknown method")
    name = method["name"] if isinstance(method, dict) else str(method)
    evaluation = {who: found for who, found in summary.get("evaluation", {}).items() if who != "about"}
    settings = {name: value for name, value in config.items() if isinstance(value, int | float | str)}
    data = str(settings.pop("data", "data that its folder does not name"))
    return About(name, data, summary.get("verdict", ""), settings, evaluation, "held-out data")


def _content(file: Path) -> dict[str, Any]:
    """What a file of a run folder holds; nothing where there is none."""
    if not file.is_file():
        return {}
    text = file.read_text(encoding="utf-8")
    content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    return content if isinstance(content, dict) else {}
