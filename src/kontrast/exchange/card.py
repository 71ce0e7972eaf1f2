"""The model card: README.md of a `model/` folder. What it is, how to load it, how good it was measured to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kontrast import files
from kontrast.preprocessing import Preprocessing


@dataclass(frozen=True)
class About:
    """What a card tells beside the encoder itself.

    method, data    "simclr", "digits (1,437 pictures)"
    verdict         the run's own sentence
    settings        what was chosen for the run, in the order to be shown
    evaluation      whose -> metric -> fraction or number: {"learned": {"knn_top1": 0.9}, "random_weights": ...}
    evaluated_on    what the evaluation was made on
    how             how it was trained, in words
    license         of the weights, as the data allow; the card says "unknown" where nobody said
    """

    method: str
    data: str
    verdict: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    evaluated_on: str = ""
    how: str = "by contrast, without labels,"
    license: str = "unknown"


@dataclass(frozen=True)
class Certificate:
    """How a folder was read again, by the reading library itself, and how far its vectors were from the live ones.

    layout      "timm", "plain", "sentence-transformers", "open_clip"
    loaders     who reads the folder, in words
    difference  largest absolute difference of a feature;  largest  the largest absolute feature, for scale
    card        the text of README.md for what is known about the model by now
    program     how the folder is loaded without kontrast; see `elsewhere.proven`. "": its own reader is all there is
    unit        that gives vectors of length 1, whatever the model's are
    """

    layout: str
    loaders: str
    difference: float
    largest: float
    card: Callable[[About], str]
    program: str = ""
    unit: bool = False

    def write_card(self, folder: Path, about: About) -> None:
        """Write README.md, once before the model is evaluated and again with its figures."""
        files.write(folder / "README.md", self.card(about))


def card(
    spec: Mapping[str, Any],
    width: int,
    look: Preprocessing,
    about: About,
    *,
    library: str,
    loaders: str,
    usage: str,
    difference: float,
) -> str:
    """The text of README.md.

    library     the hub's name of the library that reads it;  loaders  all that do, in words;  usage  code to paste
    difference  largest one between the vectors of the encoder in memory and of the one read again
    """
    name, size, channels = spec["name"], spec["image_size"], spec["channels"]
    stem = " with the 3x3 CIFAR stem" if spec["stem"] == "cifar" else ""
    sections = [
        _front(about, library),
        f"# {name}{stem}, trained with {about.method}",
        f"A picture encoder: {channels} x {size} x {size} pixels in, a vector of {width} numbers out. Trained "
        f"{about.how} on {about.data}. Similar pictures have a large cosine.",
        about.verdict,
        "## Load it",
        f"Read by {loaders}. Read again after writing and compared with the encoder in memory: largest difference "
        f"{difference:.1e}.",
        usage,
        f"Pixels are scaled to 0 to 1{_sixteen_bit(look.white)}, then normalised with mean {_numbers(look.mean)} and "
        f"std {_numbers(look.std)}; {look.in_words()}.",
        fewer(about),
        "## How good it is",
        table(about) or "It was not evaluated.",
        "## How it was trained",
        settings_table(about),
        "## Limits",
        "It knows what its data showed and what its views called the same. Measure it on your own pictures before you "
        f"rely on it. Licence of the weights: {about.license}.",
    ]
    return "\n\n".join(section.strip("\n") for section in sections if section) + "\n"


def pair_card(width: int, image_size: int, about: About, *, loaders: str, difference: float) -> str:
    """The text of README.md for two towers."""
    tags = ["clip", "zero-shot-image-classification", "contrastive-learning", about.method]
    front = ["---", "library_name: open_clip", "tags:", *(f"- {json.dumps(tag)}" for tag in tags)]
    front += [f"license: {json.dumps(about.license)}"] if about.license != "unknown" else []
    sections = [
        "\n".join([*front, "---"]),
        f"# Pictures and sentences in one space, trained with {about.method}",
        f"A picture of {image_size} pixels or a sentence in, a vector of {width} numbers out. Trained by contrast on "
        f"{about.data}. A picture and the words that fit it have a large cosine.",
        about.verdict,
        "## Load it",
        f"Read by {loaders}. Read again after writing and compared with the towers in memory: largest difference "
        f"{difference:.1e}.",
        fewer(about),
        "## How good it is",
        table(about) or "It was not evaluated.",
        "## How it was trained",
        settings_table(about),
        "## Limits",
        "It knows what its captions named. Measure it on your own pictures before you rely on it. Licence of the "
        f"weights: {about.license}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def fewer(about: About, cut: str = "vectors[:, :{width}]") -> str:
    """What a run with `--widths` says of its first columns; "" where there was none. cut: how fewer are had."""
    if not (widths := about.settings.get("widths")):
        return ""
    listed = [word.strip() for word in str(widths).split(",")]
    return (
        f"## Fewer columns\n\nTrained so that its first {', '.join(listed)} columns stand alone "
        f"(Matryoshka): keep as many as there is room for, `{cut.format(width=listed[0])}`, and take cosines of those."
    )


def _front(about: About, library: str) -> str:
    """The YAML head that the Hugging Face hub reads; JSON strings are YAML strings."""
    tags = ["contrastive-learning", "self-supervised", about.method]
    lines = [
        f"library_name: {library}",
        "pipeline_tag: image-feature-extraction",
        "tags:",
        *(f"- {json.dumps(t)}" for t in tags),
    ]
    if about.license != "unknown":
        lines.append(f"license: {json.dumps(about.license)}")
    return "\n".join(["---", *lines, "---"])


def _sixteen_bit(white: int | None) -> str:
    return "" if white is None else f" (16-bit pictures: {white:,} is 1; 8-bit ones: 255)"


def _numbers(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"


def table(about: About) -> str:
    """Metrics down, whose across; fractions stay fractions, as in the JSON."""
    if not about.evaluation:
        return ""
    whose = list(about.evaluation)
    metrics = list(dict.fromkeys(metric for row in about.evaluation.values() for metric in row))
    lines = ["| | " + " | ".join(who.replace("_", " ") for who in whose) + " |", "|---" * (len(whose) + 1) + "|"]
    for metric in metrics:
        cells = [about.evaluation[who].get(metric) for who in whose]
        lines.append(f"| {metric} | " + " | ".join("" if cell is None else f"{cell:.4g}" for cell in cells) + " |")
    on = f"On {about.evaluated_on}. " if about.evaluated_on else ""
    return f"{on}Fractions from 0 to 1, beside what the same test gives without learning.\n\n" + "\n".join(lines)


def settings_table(about: About) -> str:
    rows = [("method", about.method), ("data", about.data), *about.settings.items()]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])
