"""Folders read where there is no kontrast: what differs is refused, and so is what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kontrast.errors import Failed
from kontrast.exchange import elsewhere
from kontrast.exchange.card import Certificate
from kontrast.exchange.elsewhere import Samples

MEANS = """
def pictures(given):
    return np.stack([np.asarray(each.convert("RGB"), np.float32).mean((0, 1)) for each in given])
def sentences(given):
    return np.array([[len(each), 1] for each in given])
"""


class Means:
    """A model in use whose vectors anybody can make: mean colours, and lengths of sentences."""

    more = 0.0

    def embed(self, data):
        return np.stack([np.asarray(each, np.float32).mean((0, 1)) for each in data]) + self.more

    def embed_text(self, sentences):
        return torch.tensor([[float(len(each)), 1.0] for each in sentences])


def certificate(program: str, *, unit: bool = False) -> Certificate:
    return Certificate("any", "any", 0.0, 1.0, lambda known: "", program, unit)


def test_pictures_and_sentences_reach_the_other_process_as_they_are(tmp_path: Path) -> None:
    samples = elsewhere.made_up(pictures=True, sentences=True)
    assert len(samples.pictures) == len(samples.sentences) == 64 and len({each.size for each in samples.pictures}) > 9
    assert elsewhere.proven(tmp_path, certificate(MEANS), samples, Means()) < 1e-3 * 1e-4


def test_another_vector_is_refused_and_the_bound_is_a_ten_thousandth(tmp_path: Path) -> None:
    model, samples = Means(), Samples("two", [Image.new("RGB", (4, 4), (0, 0, 1))] * 2)
    model.more = 0.9e-4
    assert elsewhere.proven(tmp_path, certificate(MEANS), samples, model) == pytest.approx(0.9e-4, rel=0.01)
    model.more = 1.2e-4
    with pytest.raises(Failed, match="gives other vectors"):
        elsewhere.proven(tmp_path, certificate(MEANS), samples, model)


def test_lengths_count_unless_the_format_says_that_they_are_one(tmp_path: Path) -> None:
    unit = MEANS + "\nplain = sentences\ndef sentences(given):\n    found = plain(given).astype(np.float32)\n"
    unit += "    return found / np.linalg.norm(found, axis=1, keepdims=True)\n"
    samples = Samples("three", sentences=["a", "bb", "ccc"])
    assert elsewhere.proven(tmp_path, certificate(unit, unit=True), samples, Means()) < 1e-6
    with pytest.raises(Failed, match="gives other vectors"):
        elsewhere.proven(tmp_path, certificate(unit), samples, Means())


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import kontrast", "import of kontrast halted"),
        ("raise ValueError('no such layer')", "no such layer"),
        ("x = 1", "gives no vectors of sentences"),
    ],
)
def test_what_cannot_be_read_there_is_said_in_its_own_words(tmp_path: Path, program: str, told: str) -> None:
    with pytest.raises(Failed, match=told):
        elsewhere.proven(tmp_path, certificate(program), Samples("one", sentences=["a"]), Means())
