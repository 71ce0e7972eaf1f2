"""CLIP's towers as transformers' CLIPModel: every tensor in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.exchange.test_foreign_pictures import PICTURES
from tests.exchange.test_formats import ABOUT, model

from kontrast.encoders.clip.transformers import QuickGELU
from kontrast.exchange import hugging_face_clip
from kontrast.exchange.hugging_face_clip import named, says_it

pytest.importorskip("transformers", reason="needs kontrast[text]")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("quick", [False, True])
def test_transformers_alone_gives_the_models_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    made = model("clip")
    if quick:
        for blocks in (made.encoder.visual.transformer, made.encoder.text.transformer):
            for block in blocks.resblocks:
                block.mlp.gelu = QuickGELU()
    certificate = hugging_face_clip.write(tmp_path / "there", made.pairs, ABOUT)
    monkeypatch.chdir(tmp_path / "there")
    found: dict = {}
    exec(certificate.program, found)
    given, words = [each for name, each in PICTURES.items() if name != "huge"], ["a red ball", "Two dogs!", "x"]
    close = {"rtol": 0, "atol": 2e-5}
    torch.testing.assert_close(torch.from_numpy(found["pictures"](given)), torch.from_numpy(made.embed(given)), **close)
    torch.testing.assert_close(torch.from_numpy(found["sentences"](words)), made.embed_text(words), **close)


def test_every_tensor_is_written_once() -> None:
    towers = model("clip").encoder
    names = [name for name, _ in named(towers)]
    assert len(names) == len(set(names))
    assert sum(tensor.numel() for _, tensor in named(towers)) == sum(each.numel() for each in towers.parameters())


def test_what_a_clip_model_cannot_say_is_said() -> None:
    small, biased = model("pairs"), model("clip")
    assert "CLIP's own ViT" in says_it(small.encoder, small.pairs.look)
    biased.encoder.judge_alone()
    assert "SigLIP's bias" in says_it(biased.encoder, biased.pairs.look)
