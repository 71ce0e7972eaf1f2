"""A text encoder by name or folder, and what is neither."""

import json

import pytest
import torch

from kontrast.encoders.text.masked_words import Predictor
from kontrast.encoders.text.open import rebuilt, text_encoder
from kontrast.errors import Unfit

SENTENCES = [
    "The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two children play in the rain.",
    "The committee put off its decision until the spring, as it had done before.",
]  # fmt: skip


def encoder(pooler="mean", seed=0):
    return text_encoder("small", texts=SENTENCES * 20, seed=seed, pooler=pooler)


def test_seed_decides_the_weights():
    a, b, c = (encoder("cls", seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["dense.weight"], c["dense.weight"])
    spec = json.loads(json.dumps(encoder("cls").spec))
    assert list(rebuilt(spec, encoder().tokenizer).state_dict()) == list(a)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: text_encoder("no/such-model", seed=0), "--pretrained"),
        (lambda: text_encoder("small", texts=SENTENCES, seed=0, pretrained=True), "no published weights"),
        (lambda: text_encoder("small", texts=SENTENCES, seed=0, pooler="maximum"), "cls-before-pooler"),
        (lambda: text_encoder("static", texts=SENTENCES, seed=0, pooler="cls"), "averages"),
        (lambda: Predictor(text_encoder("static", texts=SENTENCES, seed=0)), "Masked words"),
    ],
)
def test_misuse_is_told_in_a_sentence(call, words):
    with pytest.raises(Unfit, match=words):
        call()


def test_offline_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(Unfit, match="offline, or no such name"):
        text_encoder("no/such-model", seed=0, pretrained=True)
