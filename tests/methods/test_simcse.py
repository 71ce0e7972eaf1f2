"""SimCSE against its paper, step by step: two masks in one batch, one direction, the head only while training."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from kontrast import keyed
from kontrast.encoders.text.dropout import row_keys
from kontrast.encoders.text.open import rebuilt, text_encoder
from kontrast.methods.method import Batch, Embeddings
from kontrast.methods.simcse import Config, SimCSE

TEXTS = [
    "A man saw the dog 2 times.", "Two girls found the old house by the river.", "The king lost the war.",
    "She wrote a very long letter to him.", "A man saw the cat.", "The war was lost.", "Two old letters.", "A dog.",
]  # fmt: skip


def encoder(pooler="cls-before-pooler"):
    """Ours, smaller, so that it steps fast."""
    made = text_encoder("small", texts=TEXTS * 9, seed=0, pooler=pooler)
    shape = {**made.spec["shape"], "width": 16, "layers": 2, "heads": 2, "hidden": 20}
    return rebuilt({**made.spec, "shape": shape, "width": 16}, made.tokenizer).double()


def batch(net, step=0, views=2, rows=6):
    ids_B = (torch.arange(rows) + step) % len(TEXTS)
    texts = [TEXTS[(i + view // 2) % len(TEXTS)] for view in range(views) for i in ids_B.tolist()]
    tokens = net.tokenizer(texts)
    parts = tuple({name: part[v * rows : (v + 1) * rows] for name, part in tokens.items()} for v in range(views))
    return Batch(parts, ids_B, step, 20, 3)


def plain_loss(query_BD, key_KD, temperature, extra=None):
    """Equation 1, row by row, in float64."""
    total = 0.0
    for q in range(len(query_BD)):
        cosines = [query_BD[q] @ k / (query_BD[q].norm() * k.norm()) for k in key_KD]
        logits = [c / temperature + (extra if extra is not None and i == len(query_BD) + q else 0)
                  for i, c in enumerate(cosines)]  # fmt: skip
        total = total + torch.stack(logits).exp().sum().log() - logits[q]
    return total / len(query_BD)


def test_twenty_steps_of_unsupervised_simcse_equal_one_row_at_a_time():
    ours = SimCSE(encoder(), 16).double().train()
    reference = SimCSE(encoder(), 16).double().train()
    optimizers = [torch.optim.SGD(method.parameters(), lr=0.05) for method in (ours, reference)]
    for step in range(20):
        given = batch(ours.encoder, step)
        outcome = ours.compare(ours.embed(given).joined())
        passes = []
        for view in range(2):  # the same sentences, each alone, under the masks of its own key
            keys = row_keys(3, step, given.ids_B, view)
            rows = [
                reference.encoder({**{n: p[b : b + 1] for n, p in given.views[0].items()}, "dropout": keys[b : b + 1]})
                for b in range(6)
            ]
            linear = reference.head[0][0]
            passes.append(torch.tanh(torch.cat(rows) @ linear.weight.T + linear.bias))
        wanted = plain_loss(*passes, 0.05)
        assert abs(outcome.loss.item() - wanted.item()) < 1e-9
        assert outcome.guessing == pytest.approx(math.log(6))
        for loss, optimizer in zip((outcome.loss, wanted), optimizers):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for (name, one), other in zip(ours.named_parameters(), reference.parameters()):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9, msg=name)


def test_the_two_passes_differ_while_training_and_not_in_evaluation():
    method = SimCSE(encoder(), 16).double()
    first, second = method.train().embed(batch(method.encoder))["views"]
    assert ((first - second).abs().amax(dim=1) > 1e-3).all()
    first, second = method.eval().embed(batch(method.encoder))["views"]
    torch.testing.assert_close(first, second, rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight", [0.0, 1.5, -2.0])
def test_hard_negatives_stand_among_the_keys_with_the_own_one_weighted(weight):
    method = SimCSE(encoder("cls"), 16, Config(hard_weight=weight)).double().eval()
    z = method.embed(batch(method.encoder, views=3))
    query, positive, hard = z["views"]
    outcome = method.compare(z)
    wanted = plain_loss(query, torch.cat([positive, hard]), 0.05, extra=weight)
    assert abs(outcome.loss.item() - wanted.item()) < 1e-9
    assert outcome.guessing == pytest.approx(math.log(11 + math.exp(weight)))


def test_the_head_is_for_cls_before_pooler_and_the_encoder_is_without_it():
    assert len(SimCSE(encoder(), 16).head) == 2
    assert len(SimCSE(encoder("mean"), 16).head) == 0
    assert len(SimCSE(encoder("mean"), 16, Config(head="mlp")).head) == 2
    with pytest.raises(ValueError, match="auto, mlp or none"):
        SimCSE(encoder(), 16, Config(head="cls"))


def made_up(rows=8, groups=None, views=3):
    ids_B = torch.arange(rows)
    vectors = torch.from_numpy(keyed.normal("made up", np.arange(views * rows * 16))).view(views, rows, 16)
    given = Batch((), ids_B, 0, 10, 0, groups_B=groups)
    return Embeddings.of(given, vectors[0], views=vectors)


def test_compare_is_pure_and_blind_to_the_order_of_rows():
    method = SimCSE(encoder("cls"), 16).double()
    z = made_up()
    first, again = (float(method.compare(z).loss) for _ in range(2))
    assert first == again
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    shuffled = Embeddings.of(Batch((), order, 0, 10, 0), z["views"][0][order], views=z["views"][:, order])
    assert float(method.compare(shuffled).loss) == pytest.approx(first, abs=1e-12)


def test_shares_of_the_rows_add_up():
    method = SimCSE(encoder("cls"), 16, Config(hard_weight=0.7)).double()
    z = made_up()
    parts = [float(method.compare(replace(z, rows=rows)).loss) for rows in (slice(0, 3), slice(3, 8))]
    assert sum(parts) == pytest.approx(float(method.compare(z).loss), abs=1e-12)


def test_equal_sentences_are_not_pushed_apart():
    method = SimCSE(encoder("cls"), 16).double()
    groups = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6])
    vectors = made_up(views=2)["views"].clone().requires_grad_()
    z = Embeddings.of(Batch((), torch.arange(8), 0, 10, 0, groups_B=groups), vectors[0], views=vectors)
    outcome = method.compare(z)
    outcome.loss.backward()
    query, positive = vectors.detach()
    keys = [[k for k in range(8) if k == q or groups[k] != groups[q]] for q in range(8)]
    cos = torch.nn.functional.normalize(query, dim=1) @ torch.nn.functional.normalize(positive, dim=1).T / 0.05
    wanted = sum(torch.logsumexp(cos[q, keys[q]], 0) - cos[q, q] for q in range(8)) / 8
    assert outcome.loss.item() == pytest.approx(wanted.item(), abs=1e-9)
    assert outcome.guessing == pytest.approx((2 * math.log(7) + 6 * math.log(8)) / 8)


def test_masked_words_alone_and_beside():
    both = SimCSE(encoder("mean"), 16, Config(mlm=0.1)).double()
    alone = SimCSE(encoder("mean"), 16, Config(mlm=1.0, contrast=0.0)).double()
    plain = SimCSE(encoder("mean"), 16).double()
    losses = {}
    for name, method in {"both": both, "alone": alone, "plain": plain}.items():
        outcome = method.compare(method.eval().embed(batch(method.encoder)).joined())
        losses[name] = outcome.loss.item()
        outcome.loss.backward()
    assert losses["both"] == pytest.approx(losses["plain"] + 0.1 * losses["alone"], abs=1e-9)
    assert alone.predictor.bias.grad is not None and alone.encoder.words().grad.abs().sum() > 0
    vocabulary = alone.encoder.tokenizer.size
    assert alone.compare(alone.embed(batch(alone.encoder))).guessing == pytest.approx(math.log(vocabulary))
