"""transformers' folders: the lines of the card give the model's vectors, whatever the pooling."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.exchange.test_formats import ABOUT, model

from kontrast.encoders.text.open import rebuilt, text_encoder
from kontrast.exchange.transformers import POOLED, Transformers
from kontrast.modalities.texts.model import TextModel

pytest.importorskip("transformers", reason="needs kontrast[text]")
TEXTS = ["The cat sat on the mat.", "No.", "Two children play in the rain, and nobody knows why."]


def bert(pooler: str, **more: object) -> TextModel:
    made = text_encoder("small", texts=TEXTS * 9, seed=0)
    shape = {**made.spec["shape"], "width": 16, "layers": 3, "heads": 2, "hidden": 20}
    return TextModel(
        rebuilt({**made.spec, "shape": shape, "width": 16, "pooler": pooler, **more}, made.tokenizer).eval()
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pooler", POOLED)
def test_the_program_gives_the_models_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooler: str) -> None:
    made = bert(pooler, normalize=pooler == "mean")
    certificate = Transformers().write(tmp_path / "there", made, ABOUT)
    assert certificate.difference < 1e-6
    monkeypatch.chdir(tmp_path / "there")
    found: dict = {}
    exec(certificate.program, found)
    torch.testing.assert_close(torch.from_numpy(found["sentences"](TEXTS)), made.embed_text(TEXTS), rtol=0, atol=1e-5)
    assert f"return {POOLED[pooler]}" in (card := (tmp_path / "there" / "README.md").read_text()) or "normalize" in card


def test_what_automodel_cannot_say_is_said() -> None:
    assert "no static encoder" in Transformers().says_it(model("texts"))
    assert "does not pool by weighted-mean" in Transformers().says_it(bert("weighted-mean"))
    headed = bert("mean")
    headed.encoder.add_head()
    assert "no layers after the pooling" in Transformers().says_it(headed)
    assert "timm knows no small" in Transformers().says_it(model("small"))
