"""Masked words: what is hidden, and what guessing them costs."""

import math

import pytest
import torch

from kontrast.encoders.text.masked_words import IGNORED, Predictor, hidden
from kontrast.encoders.text.open import text_encoder

SENTENCES = [
    "The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two children play in the rain.",
    "The committee put off its decision until the spring, as it had done before.",
]  # fmt: skip


def encoder(pooler="mean", seed=0):
    return text_encoder("small", texts=SENTENCES * 20, seed=seed, pooler=pooler)


def test_masked_words_hide_the_stated_share_and_never_a_mark():
    net = encoder()
    seen = net.tokenizer(SENTENCES * 200)
    words_BL, ids_B = seen["input_ids"], torch.arange(len(SENTENCES) * 200)
    changed, target_BL = hidden(seen, net.tokenizer, 0, 0, ids_B)
    words = seen["attention_mask"].bool() & (words_BL > 4)
    chosen = target_BL != IGNORED
    assert not (chosen & ~words).any()
    assert torch.equal(target_BL[chosen], words_BL[chosen])
    share = chosen.sum() / words.sum()
    masked = (changed["input_ids"] == net.tokenizer.mask_id)[chosen].double().mean()
    same = (changed["input_ids"] == words_BL)[chosen].double().mean()
    assert abs(share - 0.15) < 0.01
    assert abs(masked - 0.8) < 0.03
    assert abs(same - 0.1) < 0.03
    assert torch.equal(changed["input_ids"][~chosen], words_BL[~chosen])
    alone, _ = hidden({n: p[3:4] for n, p in seen.items()}, net.tokenizer, 0, 0, ids_B[3:4])
    assert torch.equal(alone["input_ids"], changed["input_ids"][3:4])


def test_predicting_words_is_cross_entropy_and_guessing_costs_ln_of_the_vocabulary():
    net = encoder().double()
    predictor = Predictor(net).double()
    seen = net.tokenizer(SENTENCES)
    states = net.states(seen)[-1]
    _, target_BL = hidden(seen, net.tokenizer, 0, 1, torch.arange(5))
    out = predictor(states, target_BL, net.words())
    state = predictor.norm(torch.nn.functional.gelu(predictor.dense(states)))
    logp = (state @ net.words().T + predictor.bias).log_softmax(-1)
    picked = -logp.gather(2, target_BL.clamp(min=0)[..., None])[..., 0] * (target_BL != IGNORED)
    torch.testing.assert_close(out[:, 0], picked.sum(1), rtol=0, atol=1e-10)
    assert torch.equal(out[:, 1].long(), (target_BL != IGNORED).sum(1))
    loss, count = predictor(states, target_BL, torch.zeros_like(net.words())).sum(0).tolist()
    assert loss / count == pytest.approx(math.log(len(net.words())), abs=1e-9)
