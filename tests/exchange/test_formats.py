"""Every format holds what it says it holds: written, read again by its own reader, compared; and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from kontrast import keyed
from kontrast.commands.export import export
from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.presets import model_cfg
from kontrast.encoders.clip.towers import towers
from kontrast.encoders.images.open import image_encoder
from kontrast.encoders.text.open import text_encoder
from kontrast.errors import Failed, Unfit
from kontrast.exchange import formats
from kontrast.exchange.card import About
from kontrast.exchange.pair_folder import Pairs
from kontrast.modalities.images.model import Model
from kontrast.modalities.pairs.model import PairModel
from kontrast.modalities.registry import load
from kontrast.modalities.texts.model import TextModel
from kontrast.preprocessing import Preprocessing

ABOUT = About("simclr", "noise")
WORDS = ["a red ball", "two dogs run", "the sea at night", "a small house"] * 3
PLANTED = {
    "resnet18": ["timm", "standalone", "transformers", "torchvision", "onnx"],
    "small": ["standalone", "onnx"],
    "cifar": ["standalone", "onnx"],
    "deep": ["standalone"],
    "texts": ["sentence-transformers", "onnx"],
    "pairs": ["standalone-pairs", "onnx"],
    "siglip": ["standalone-pairs", "onnx"],
    "clip": ["open_clip", "transformers", "onnx"],
}


def model(name: str) -> Any:
    """A small model of each sort that some format treats otherwise."""
    if name == "texts":
        return TextModel(text_encoder("static", texts=WORDS, seed=0).eval())
    if name in ("pairs", "siglip", "clip"):
        words = bpe.learned(WORDS, context=8)
        config = model_cfg(
            "small", "small", image_size=16, vocab_size=words.inner.size, own_words=True, context_length=8
        )
        if name == "clip":
            config["vision_cfg"] = {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8}
        made = towers(config, seed=1)
        if name == "siglip":
            made.judge_alone()
        return PairModel(Pairs(made.eval(), words, Preprocessing(16, (0.5,) * 3, (0.2,) * 3)))
    size, backbone = {"resnet18": (224, "resnet18"), "cifar": (32, "resnet18")}.get(name, (8, "small"))
    encoder = image_encoder(backbone, image_size=size, channels=3, seed=0)
    encoder(torch.randn(4, 3, size, size, generator=keyed.generator("warm")))
    return Model(encoder.eval(), Preprocessing(size, (0.5,) * 3, (0.2,) * 3, white=4095 if name == "deep" else None))


@pytest.mark.parametrize("name", PLANTED)
def test_what_fits_is_written_and_loads_and_nothing_else_fits(tmp_path: Path, name: str) -> None:
    made = model(name)
    assert formats.fitting(made) == PLANTED[name]
    for format_name, known in formats.FORMATS.items():
        why = known.says_it(made)
        assert bool(why) != (format_name in PLANTED[name]) and not why.endswith(".")
        if not why and format_name != "onnx":  # which takes seconds, and has tests of its own
            certificate = known.write(tmp_path / format_name, made, ABOUT)
            assert certificate.difference <= 1e-6 * certificate.largest and certificate.largest > 0
            assert known.read(tmp_path / format_name) is not None
            assert "trained with simclr" in (tmp_path / format_name / "README.md").read_text()


@pytest.mark.parametrize("name", ["small", "pairs", "clip", "texts"])
def test_a_model_that_its_files_do_not_describe_is_not_certified(tmp_path: Path, name: str) -> None:
    made = model(name)
    part = {"small": lambda: made.encoder.net[0], "texts": lambda: made.encoder.net}.get(
        name, lambda: made.encoder.visual
    )
    part().register_forward_hook(lambda _module, _inputs, y: [z + 1 for z in y] if isinstance(y, list) else y + 1)
    with pytest.raises(Failed, match="gives other vectors"):
        formats.write(tmp_path / "there", made, ABOUT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder, and a run's books beside it."""
    run = tmp_path / "run"
    run.mkdir()
    formats.write(run / "model", model("small"), ABOUT)
    (run / "config.yaml").write_text("data: photos\nmethod: {name: byol, width: 3}\nepochs: 4\n")
    summary = {"verdict": "healthy: as it should be", "evaluation": {"learned": {"knn_top1": 0.75}, "about": {}}}
    (run / "summary.json").write_text(json.dumps(summary))
    return run


def test_export_gives_the_same_vectors_and_a_card_of_the_run(folder: Path, tmp_path: Path) -> None:
    lines = export(folder, "standalone", tmp_path / "new" / "there")
    assert "largest difference 0 " in lines[1] and lines[-1].endswith("there")
    pixels = (torch.arange(4 * 3 * 64) % 251).to(torch.uint8).view(4, 3, 8, 8)
    live, there = (load(place).embed(pixels) for place in (folder, tmp_path / "new" / "there"))
    assert (live == there).all()
    card = (tmp_path / "new" / "there" / "README.md").read_text()
    for part in ("trained with byol", "on photos", "healthy: as it should be", "| knn_top1 | 0.75 |", "| epochs | 4 |"):
        assert part in card
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["there"]
    assert "an unknown method" in export_card(folder / "model", tmp_path / "bare")


def export_card(source: Path, out: Path) -> str:
    export(source, "standalone", out)
    return (out / "README.md").read_text()


def test_export_refuses_before_it_writes_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("mine")
    for to, out, told in (
        ("standalone", "mine", "exists already"),
        ("tim", "there", "no format; known: timm, standalone"),
        ("timm", "there", "timm knows no small. What can: standalone"),
        ("open_clip", "there", "two towers alone, for pictures and words. What can: standalone"),
        ("standalone", "mine/precious/there", "cannot be made"),
    ):
        with pytest.raises(Unfit, match=told):
            export(folder, to, tmp_path / out)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Unfit, match="exists already"):
        export(folder, "standalone", tmp_path / "link")

    def torn(self: Any, place: Path, *_: Any) -> None:
        place.mkdir()
        raise Failed("gives other vectors")

    monkeypatch.setattr(type(formats.FORMATS["standalone"]), "write", torn)
    with pytest.raises(Failed):
        export(folder, "standalone", tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "mine", "run"]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious"]
