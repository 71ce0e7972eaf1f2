"""Sentence encoders: padding, poolers, static words, order and mode."""

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.encoders.text.encoder import POOLERS, Table, embed, pooled
from kontrast.encoders.text.open import text_encoder

SENTENCES = [
    "The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two children play in the rain.",
    "The committee put off its decision until the spring, as it had done before.",
]  # fmt: skip


def encoder(pooler="mean", seed=0):
    return text_encoder("small", texts=SENTENCES * 20, seed=seed, pooler=pooler)


@pytest.mark.parametrize("pooler", POOLERS)
def test_padding_and_company_change_nothing(pooler):
    net = encoder(pooler).double().eval()
    alone = torch.cat([net(net.tokenizer([sentence])) for sentence in SENTENCES])
    together = net(net.tokenizer(SENTENCES))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    padded = {name: torch.nn.functional.pad(part, (0, 30), value=3 * (name == "input_ids"))
              for name, part in net.tokenizer(SENTENCES).items()}  # fmt: skip
    torch.testing.assert_close(net(padded), alone, rtol=0, atol=1e-12)


def test_poolers_against_their_definitions():
    states = [torch.from_numpy(keyed.normal("state", n, np.arange(24))).view(2, 3, 4) for n in range(4)]
    mask_BL = torch.tensor([[1, 1, 0], [1, 1, 1]])
    for name, layers in {"mean": [3], "first-last": [1, 3], "top2": [2, 3]}.items():
        for row, length in ((0, 2), (1, 3)):
            wanted = sum(states[n][row, :length].mean(0) for n in layers) / len(layers)
            torch.testing.assert_close(pooled(states, mask_BL, name)[row], wanted)
    assert torch.equal(pooled(states, mask_BL, "cls"), states[3][:, 0])


def test_cls_adds_a_linear_and_a_tanh():
    plain, full = encoder("cls-before-pooler").eval(), encoder("cls").eval()
    got = full(full.tokenizer(SENTENCES))
    before = plain(plain.tokenizer(SENTENCES))
    torch.testing.assert_close(got, torch.tanh(before @ full.dense.weight.T + full.dense.bias), atol=1e-6, rtol=0)


def test_static_begins_as_long_as_its_words_are_rare():
    """scikit-learn's inverse document frequencies, over their mean, times what the seed draws."""
    texts = ["the cat", "the dog sees the cat", "the dog", "the dog barks", "a dog barks"] * 3
    net = text_encoder("static", texts=texts, seed=4)
    drawn = Table(net.tokenizer.size, net.width, seed=4).words()
    ratio_V = (net.words() / drawn).detach()
    ids = [int(net.tokenizer([word])["input_ids"][0, 0]) for word in ("the", "dog", "barks", "cat")]
    found = torch.tensor([12.0, 12.0, 6.0, 6.0])
    idf = (16 / (1 + found)).log() + 1
    torch.testing.assert_close(ratio_V[ids].mean(1) / ratio_V[ids[0]].mean(), idf / idf[0])
    seen = net.tokenizer.found_in(texts) > 0
    assert ratio_V[torch.from_numpy(seen)].mean() == pytest.approx(1)


def test_static_is_the_mean_of_its_word_vectors():
    net = text_encoder("static", texts=SENTENCES * 20, seed=0)
    ids = [net.tokenizer.inner.encode(s, add_special_tokens=False).ids for s in SENTENCES]
    wanted = torch.stack([net.net.embedding.weight[row].mean(0) for row in ids])
    torch.testing.assert_close(embed(net, SENTENCES), wanted, rtol=0, atol=1e-6)
    assert not embed(net, [""]).any()


def test_embed_keeps_the_order_and_the_mode():
    net = encoder().train()
    out = embed(net, SENTENCES)
    assert net.training
    again = embed(net, SENTENCES[::-1])
    torch.testing.assert_close(again.flip(0), out, rtol=0, atol=1e-6)
