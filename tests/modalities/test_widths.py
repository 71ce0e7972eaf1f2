"""The first columns of a model's vectors alone, and a run that was trained for them."""

import json

import numpy as np
import pytest
import torch

import kontrast
from kontrast.commands.evaluate import evaluate
from kontrast.errors import Unfit
from kontrast.modalities.widths import narrower, of_run


class Model:
    width = 8

    def __init__(self):
        self.asked = 0

    def embed_text(self, sentences):
        self.asked += 1
        return torch.arange(8.0).expand(len(sentences), 8)

    def embed_source(self, source, ids):
        self.asked += 1
        return torch.arange(8.0).expand(len(ids), 8) + len(source)


def test_several_widths_embed_once():
    model = Model()
    found = narrower(model, (2, 4, 8))
    assert list(found) == ["first_2", "first_4"]  # the whole width is the model itself
    assert found["first_2"].embed_text(["a", "b"]).tolist() == [[0, 1], [0, 1]]
    assert found["first_4"].embed_text(["a", "b"]).shape == (2, 4) and model.asked == 1
    for source in ("abc", "defg", "abc"):
        assert found["first_2"].embed_source(source, np.arange(2))[0, 0] == len(source)
    assert model.asked == 3


def test_a_run_with_widths_shows_each_and_says_so(tmp_path):
    said, out = [], tmp_path / "run"
    run = kontrast.train("digits", method="simclr", widths="16, 32", epochs=1, out=str(out), say=said.append, threads=1)
    assert run.plan.settings.widths == "16, 32" and of_run(out) == (16, 32) and of_run(out / "model") == ()
    told = "\n".join(said)
    assert " 1-16 " in told and " 1-32 " in told
    evaluation = json.loads((out / "summary.json").read_text())["evaluation"]
    assert {"learned", "first_16", "first_32"} <= evaluation.keys() and evaluation["about"]["width"]["first_16"] == 16
    card = (out / "model" / "README.md").read_text()
    assert "its first 16, 32 columns stand alone" in card.replace("  ", " ") and "vectors[:, :16]" in card
    result, lines = evaluate(out, "digits", protocols=["knn"])
    assert {"first_16", "first_32"} <= result.keys() and " 1-32 " in "".join(lines)
    assert "<th>1-16</th>" in (out / "report.html").read_text()


@pytest.mark.parametrize("words", ["a", "0", "8,,9", "-3", "1.5"])
def test_widths_are_whole_numbers(words):
    with pytest.raises(Unfit, match="--widths needs whole numbers"):
        kontrast.train("digits", method="simclr", widths=words, dry_run=True)


def test_widths_beyond_the_encoder_are_refused_before_the_work():
    with pytest.raises(Unfit, match="128 columns, and 256 is more"):
        kontrast.train("digits", method="simclr", widths="64,256", dry_run=True, say=lambda _: None)
