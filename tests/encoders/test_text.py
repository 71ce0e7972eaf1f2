"""Sentence encoders: equal to transformers where they read its folders, and untouched by padding and company."""

import json
import math

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.encoders.text import tokens
from kontrast.encoders.text.bert import Bert, Shape
from kontrast.encoders.text.dropout import dropout, row_keys
from kontrast.encoders.text.encoder import POOLERS, Table, embed, pooled
from kontrast.encoders.text.masked_words import IGNORED, Predictor, hidden
from kontrast.encoders.text.open import rebuilt, text_encoder
from kontrast.errors import Unfit

SENTENCES = [
    "The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two children play in the rain.",
    "The committee put off its decision until the spring, as it had done before.",
]  # fmt: skip


def encoder(pooler="mean", seed=0):
    return text_encoder("small", texts=SENTENCES * 20, seed=seed, pooler=pooler)


def ragged(rows=9, length=17, vocabulary=50):
    """Random ids with rows of all lengths, several of them equal."""
    ids_BL = 1 + torch.from_numpy(keyed.below(vocabulary - 1, "ids", np.arange(rows * length))).view(rows, length)
    length_B = torch.from_numpy(1 + keyed.below(length, "lengths", np.arange(rows)))
    length_B[:2] = length
    length_B[2:4] = 1
    return ids_BL, (torch.arange(length) < length_B[:, None]).long()


def hugging_face_bert(shape):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.width, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, intermediate_size=shape.hidden, max_position_embeddings=shape.positions,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        return BertModel(config, add_pooling_layer=False).eval().double()


def test_bert_is_transformers_bert_layer_by_layer_and_in_its_gradients():
    shape = Shape(vocabulary=50, width=24, layers=3, heads=3, hidden=40, positions=20)
    theirs, ours = hugging_face_bert(shape), Bert(shape).double()
    ours.load_state_dict(theirs.state_dict())  # the same names, all of them
    ids_BL, mask_BL = ragged()
    wanted = theirs(ids_BL, attention_mask=mask_BL, output_hidden_states=True).hidden_states
    found = ours(ids_BL, mask_BL)
    assert len(found) == len(wanted) == 4
    inside_BL1 = mask_BL[..., None]
    for one, other in zip(found, wanted):
        torch.testing.assert_close(one, other * inside_BL1, rtol=0, atol=1e-12)
    weight_H = torch.linspace(-1, 1, 24, dtype=torch.float64)
    (found[-1] * weight_H).sum().backward()
    (wanted[-1] * inside_BL1 * weight_H).sum().backward()
    grads = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, grads[name].grad, rtol=1e-9, atol=1e-10)


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


def test_tokenizer_is_trained_the_same_twice_and_round_trips(tmp_path):
    first, second = (tokens.trained(SENTENCES * 20, max_length=16) for _ in range(2))
    assert first.inner.to_str() == second.inner.to_str()
    first.save(tmp_path)
    again = tokens.read(tmp_path, max_length=16)
    for name, part in first(SENTENCES).items():
        assert torch.equal(part, again(SENTENCES)[name])
    assert again.mask_id == first.mask_id == 4
    assert again.special_ids() == [0, 1, 2, 3, 4]
    assert again.lengths(SENTENCES)[4] > 16 == again(SENTENCES)["attention_mask"].sum(1)[4]  # cut, and known


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


def test_seed_decides_the_weights():
    a, b, c = (encoder("cls", seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["dense.weight"], c["dense.weight"])
    spec = json.loads(json.dumps(encoder("cls").spec))
    assert list(rebuilt(spec, encoder().tokenizer).state_dict()) == list(a)


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
