"""A tokenizer trained on the data's own words."""

import torch

from kontrast.encoders.text import tokens

SENTENCES = [
    "The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two children play in the rain.",
    "The committee put off its decision until the spring, as it had done before.",
]  # fmt: skip


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
