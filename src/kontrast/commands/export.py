"""`kontrast export`: a trained model in another format, read again and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from kontrast.commands.outputs import claim_folder, new_folder
from kontrast.exchange import formats
from kontrast.exchange.card import About
from kontrast.modalities.registry import load


def export(run: str | Path, to: str, out: Path) -> list[str]:
    """Write the model of a run or model folder as `out`, which must not exist yet; returns the lines to print.

    It is written beside `out` and takes its name when it has been read again and gives the same vectors. Unfit, with
    the formats that can, where this one cannot say the model; Failed, with nothing left behind, where vectors differ.
    """
    claim_folder("--out", out)
    model = load(run)
    written_by = formats.checked(to, model)
    with new_folder("--out", out) as folder:
        certificate = written_by.write(folder, model, about(Path(run)))
    return [
        f"format   {to}, read by {certificate.loaders}",
        f"same     largest difference {certificate.difference:.2g} between what was read again and the model; its "
        f"largest value is {certificate.largest:.3g}",
        f"wrote    {out}",
    ]


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
