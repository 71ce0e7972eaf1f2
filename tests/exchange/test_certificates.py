"""Runs of SimCLR, SimCSE and CLIP taken to every format that fits them, each proven by the library it is for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.exchange.test_formats import model
from tests.exchange.test_transformers import bert

import kontrast
from kontrast.commands.export import export
from kontrast.errors import Failed, Unfit
from kontrast.exchange import elsewhere, formats, open_clip

pytestmark = [pytest.mark.proof, pytest.mark.filterwarnings("ignore")]
SHORT = {"epochs": 1, "threads": 1, "validate": "none", "say": lambda _: None}
PROVEN = {
    "simclr": ["timm", "transformers", "torchvision", "standalone", "onnx"],
    "simcse": ["sentence-transformers", "transformers", "onnx"],
    "clip": ["open_clip", "transformers", "onnx"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 pictures of many shapes, a table that captions them, and sentences."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "photos").mkdir()
    rows = ["image,text"]
    lines = elsewhere.made_up(pictures=False, sentences=True).sentences
    for number in range(70):
        shape = (40 + 7 * (number % 9), 50 + 11 * (number % 5), 3)
        pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:02}.png")
        rows.append(f"photos/{number:02}.png,{lines[number % 64]} {number}")
    (folder / "pairs.csv").write_text("\n".join(rows))
    (folder / "sentences.txt").write_text("\n".join(f"{line} {n}" for n, line in enumerate(lines)))
    return folder


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each, its encoder as small as the format's library allows."""
    place = tmp_path_factory.mktemp("runs")
    formats.write(place / "bert", bert("mean"), kontrast.exchange.About("simcse", "words"))
    towers = model("clip")
    open_clip.write(place / "towers", towers.encoder, towers.pairs.captions, towers.pairs.look)
    asked = {
        "simclr": (data / "photos", {"encoder": "resnet18", "image_size": 96, "batch_size": 16}),
        "simcse": (data / "sentences.txt", {"encoder": str(place / "bert"), "batch_size": 32}),
        "clip": (data / "pairs.csv", {"encoder": str(place / "towers"), "batch_size": 32}),
    }
    for method, (given, more) in asked.items():
        kontrast.train(str(given), method=method, out=str(place / method), **more, **SHORT)
    return {method: place / method for method in asked}


@pytest.mark.parametrize(("method", "to"), [(method, to) for method, those in PROVEN.items() for to in those])
def test_the_library_alone_gives_the_runs_vectors(runs: dict[str, Path], tmp_path: Path, method: str, to: str) -> None:
    lines = export(runs[method], to, tmp_path / "there")
    (told,) = [line for line in lines if line.startswith("proven")]
    print(f"{method:<7} --to {to:<22} {told}")  # pytest -s shows the table
    assert float(told.split()[3]) <= 1e-4 and " of 64 " in told and "made up" not in told, told
    assert "Proven when it was written" in (tmp_path / "there" / "README.md").read_text()


def test_a_planted_difference_is_refused_and_nothing_is_left(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preprocessing is written otherwise than it was evaluated: no weight differs."""
    kept = formats.FORMATS["timm"].write

    def planted(folder: Path, *what: object) -> object:
        certificate = kept(folder, *what)
        config = json.loads((folder / "config.json").read_text())
        config["pretrained_cfg"]["interpolation"] = "bilinear"
        (folder / "config.json").write_text(json.dumps(config))
        return certificate

    monkeypatch.setattr(formats.FORMATS["timm"], "write", planted)
    with pytest.raises(Failed, match="gives other vectors"):
        export(runs["simclr"], "timm", tmp_path / "there")
    assert not list(tmp_path.iterdir())


def test_what_a_format_cannot_say_names_those_that_can(runs: dict[str, Path], tmp_path: Path) -> None:
    for method, to in (("simclr", "open_clip"), ("simcse", "torchvision"), ("clip", "sentence-transformers")):
        with pytest.raises(
            Unfit, match=f"What can: {', '.join(sorted(PROVEN[method], key=list(formats.FORMATS).index))}"
        ):
            export(runs[method], to, tmp_path / "there")
