"""Drop-out whose masks have names."""

import pytest
import torch

from kontrast.encoders.text.dropout import dropout, row_keys
from kontrast.encoders.text.open import text_encoder

SENTENCES = [
    "The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two children play in the rain.",
    "The committee put off its decision until the spring, as it had done before.",
]  # fmt: skip


def encoder(pooler="mean", seed=0):
    return text_encoder("small", texts=SENTENCES * 20, seed=seed, pooler=pooler)


def test_dropout_mask_is_a_function_of_the_row_key_alone():
    net = encoder().double().train()
    ids_B = torch.arange(len(SENTENCES))
    whole = {**net.tokenizer(SENTENCES), "dropout": row_keys(0, 3, ids_B)}
    out = net(whole)
    part = net({name: piece[2:4] for name, piece in whole.items()})
    torch.testing.assert_close(out[2:4], part, rtol=0, atol=1e-12)
    for changed in (row_keys(0, 4, ids_B), row_keys(1, 3, ids_B), row_keys(0, 3, ids_B, 1), row_keys(0, 3, ids_B + 1)):
        assert ((net({**whole, "dropout": changed}) - out).abs().amax(1) > 1e-3).all()
    assert torch.equal(net.eval()(whole), net(net.tokenizer(SENTENCES)))  # evaluation has no masks


def test_dropout_zeroes_the_stated_share_independently():
    key_N = row_keys(0, 0, torch.arange(400))
    first, second = (dropout(torch.ones(400, 5, 33), key_N, call, 0.1) for call in (0, 1))
    zero, other = (first == 0).double(), (second == 0).double()
    assert abs(zero.mean() - 0.1) < 4 * (0.09 / zero.numel()) ** 0.5
    assert torch.unique(first).tolist() == pytest.approx([0, 1 / 0.9], abs=1e-4)
    pairs = {"calls": zero * other, "rows": zero[1:] * zero[:-1], "places": zero[:, 1:] * zero[:, :-1],
             "features": zero[..., 1:] * zero[..., :-1]}  # fmt: skip
    for name, both in pairs.items():
        assert abs(both.mean() - 0.01) < 5 * (0.01 / both.numel()) ** 0.5, name
    shorter = dropout(torch.ones(400, 3, 33), key_N, 0, 0.1)
    assert torch.equal(shorter, first[:, :3])  # padding moves no mask
    flat = dropout(torch.ones(2000, 33), key_N.repeat_interleave(5), 0, 0.1, place_N=torch.arange(5).repeat(400))
    assert torch.equal(flat, first.flatten(0, 1))


def test_nothing_moves_the_global_generator():
    before = torch.get_rng_state()
    net = encoder().train()
    net({**net.tokenizer(SENTENCES), "dropout": row_keys(0, 0, torch.arange(5))}).sum().backward()
    assert torch.equal(before, torch.get_rng_state())
