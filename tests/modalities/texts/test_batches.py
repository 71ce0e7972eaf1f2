"""Batches of sentences: a function of the step, for any number of processes; roles, and hard negatives by rule."""

import pytest
import torch

from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.encoders.text.open import rebuilt, text_encoder
from kontrast.errors import Unfit
from kontrast.modalities.texts.batches import TextBatches, TextViews

TEXTS = [
    "A man saw the dog 2 times.", "Two girls found the old house by the river.", "The king lost the war.",
    "She wrote a very long letter to him.", "A man saw the cat.", "The war was lost.", "Two old letters.", "A dog.",
]  # fmt: skip


def encoder(pooler="cls-before-pooler"):
    """Ours, smaller, so that it steps fast."""
    made = text_encoder("small", texts=TEXTS * 9, seed=0, pooler=pooler)
    shape = {**made.spec["shape"], "width": 16, "layers": 2, "heads": 2, "hidden": 20}
    return rebuilt({**made.spec, "shape": shape, "width": 16}, made.tokenizer).double()


def test_text_batches_are_a_function_of_the_step_for_any_number_of_processes(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("\n".join(TEXTS * 5))
    source, net = open_source(path), encoder()
    made = TextBatches(source, Sampler(source.ids, 7, 3, 20), net.tokenizer, TextViews("delete", random=4))
    whole = made(9)
    assert torch.equal(made(2).ids_B, made(2).ids_B) and len(whole.ids_B.unique()) == 7
    parts = [
        TextBatches(source, Sampler(source.ids, 7, 3, 20, r, 3), net.tokenizer, TextViews("delete", random=4))(9)
        for r in range(3)
    ]
    assert torch.equal(torch.cat([part.ids_B for part in parts]), whole.ids_B)
    assert torch.equal(torch.cat([part.others.ids_B for part in parts]), whole.others.ids_B)
    assert not set(whole.others.ids_B.tolist()) & set(whole.ids_B.tolist())
    for view in (0, 1):
        rows = [row for part in parts for row in _words(part.views[view])]
        assert rows == _words(whole.views[view])
    epochs = [set(torch.cat([made(e * 5 + s).ids_B for s in range(5)]).tolist()) for e in (0, 1)]
    assert all(len(epoch) == 35 for epoch in epochs) and epochs[0] != epochs[1]
    names = {TEXTS[i % 8]: int(n) for i, n in zip(whole.ids_B.tolist(), whole.groups_B)}
    assert [names[TEXTS[i % 8]] for i in whole.ids_B.tolist()] == whole.groups_B.tolist()  # equal texts, equal names


def _words(tokens):
    return [row[: int(n)].tolist() for row, n in zip(tokens["input_ids"], tokens["attention_mask"].sum(1))]


def test_pairs_and_triplets_keep_their_roles_whatever_the_order_of_columns(tmp_path):
    path = tmp_path / "nli.csv"
    rows = [f"bad {n},good {n},asked {n}" for n in range(6)]
    path.write_text("\n".join(["hard_negative,positive,anchor", *rows]))
    source, net = open_source(path), encoder()
    made = TextBatches(source, Sampler(source.ids, 4, 0, 2), net.tokenizer)
    texts = made.texts(made(0).ids_B.numpy(), 0)
    assert [view[0].split()[0] for view in texts] == ["asked", "good", "bad"]
    assert len(made(0).views) == 3
    with pytest.raises(Unfit, match="of its own"):
        TextBatches(source, Sampler(source.ids, 4, 0, 2), net.tokenizer, TextViews(rules=("negation",)))


def test_hard_negatives_by_rule_become_a_third_view(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("\n".join(TEXTS))
    source, net = open_source(path), encoder()
    made = TextBatches(source, Sampler(source.ids, 4, 0, 2), net.tokenizer, TextViews(rules=("number",)))
    given = made(0)
    assert len(given.views) == 3
    first, second, third = made.texts(given.ids_B.numpy(), 0)
    assert first == second and all(a != b for a, b in zip(first, third))
