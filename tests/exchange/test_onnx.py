"""The whole model as a graph: any batch, any size of picture, any length; by onnxruntime alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.exchange.test_formats import ABOUT, model
from torch.nn.functional import normalize

from kontrast.errors import Failed, Unfit
from kontrast.exchange import elsewhere, formats
from kontrast.exchange.onnx import MODEL, TEXT, VISION, Onnx

pytest.importorskip("onnxscript", reason="needs kontrast[onnx]")
pytest.importorskip("onnxruntime", reason="needs kontrast[onnx]")


def test_pixels_as_they_were_decoded_give_the_models_vectors(tmp_path: Path) -> None:
    made = model("small")
    certificate = Onnx().write(tmp_path / "there", made, ABOUT)
    assert certificate.unit and "torch" not in certificate.program
    run = Onnx().read(tmp_path / "there")[MODEL]
    for shape in ((5, 3, 8, 8), (1, 3, 40, 9), (2, 3, 11, 64)):
        pixels = np.random.default_rng(shape[2]).integers(0, 256, shape, dtype=np.uint8)
        live = normalize(torch.from_numpy(made.embed(pixels.transpose(0, 2, 3, 1))), dim=1)
        torch.testing.assert_close(run({"pixels": pixels}), live, rtol=0, atol=1e-5)
    card = (tmp_path / "there" / "README.md").read_text()
    assert "onnxruntime" in card and "trained with simclr" in card


def test_sentences_of_any_number_and_length_by_the_card_alone(tmp_path: Path) -> None:
    made = model("texts")
    certificate = Onnx().write(tmp_path / "there", made, ABOUT)
    samples = elsewhere.made_up(pictures=False, sentences=True)
    assert elsewhere.proven(tmp_path / "there", certificate, samples, made) < 1e-5
    file = tmp_path / "there" / "tokenizer.json"
    told = json.loads(file.read_text())
    told["model"]["vocab"] = dict(zip(told["model"]["vocab"], reversed(told["model"]["vocab"].values())))
    file.write_text(json.dumps(told))
    with pytest.raises(Failed, match="gives other vectors"):
        elsewhere.proven(tmp_path / "there", certificate, samples, made)


@pytest.mark.proof
def test_two_towers_are_two_graphs(tmp_path: Path) -> None:
    made = model("clip")
    certificate = Onnx().write(tmp_path / "there", made, ABOUT)
    assert set(Onnx().read(tmp_path / "there")) == {VISION, TEXT}
    samples = elsewhere.made_up(pictures=True, sentences=True)
    assert elsewhere.proven(tmp_path / "there", certificate, samples, made) < 1e-5


def test_a_missing_package_is_a_sentence_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(Unfit, match=r'onnxscript, which is not installed: pip install "kontrast\[onnx\]"'):
        formats.checked("onnx", model("small"))
