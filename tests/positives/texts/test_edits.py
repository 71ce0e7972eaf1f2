"""Edits of sentences: pure functions of their keys, that leave negations and numbers alone."""

from pathlib import Path

import numpy as np
import pytest

from kontrast.errors import Unfit
from kontrast.negatives.by_rule import hard_negatives
from kontrast.positives.texts.edits import cropped, deleted, edited, swapped
from kontrast.positives.texts.wordnet import WordNet, fixed

WORDNET = WordNet.read(Path(__file__).parent / "wordnet")  # an excerpt; Princeton's licence stands in each file


TEXTS = [
    "The big dog does not jump over 2 lazy cats near Berlin.",
    "Two kids are sleeping in a large automobile, happily.",
    "A red ball lies beside a blue box.",
    "Anna never went to Paris from London in 1999.",
]


IDS = np.arange(len(TEXTS))


VIEWS = ("dropout", "delete", "swap", "crop", "synonyms")


def edit(name, texts=TEXTS, ids=IDS, *, seed=0, epoch=0, view=1):
    return edited(name, texts, ids, seed=seed, epoch=epoch, view=view, wordnet=WORDNET)


@pytest.mark.parametrize("name", VIEWS)
def test_an_edit_depends_on_its_sample_and_epoch_alone(name):
    whole = edit(name)
    assert whole == edit(name)
    assert [edit(name, TEXTS[i : i + 1], IDS[i : i + 1])[0] for i in IDS] == whole
    several = {tuple(edit(name, epoch=epoch)) for epoch in range(8)}
    assert len(several) == 1 if name == "dropout" else len(several) > 3
    if name != "crop":
        assert edit(name, view=0) == TEXTS


def test_fixed_words_stay_in_their_places_under_swap():
    for epoch in range(40):
        for before, after in zip(TEXTS, edit("swap", epoch=epoch)):
            assert sorted(before.split()) == sorted(after.split()) and before != after
            assert all(a == b for a, b in zip(before.split(), after.split()) if fixed(a))


def test_deletion_leaves_out_a_tenth_and_never_all():
    text = " ".join(f"w{chr(97 + i % 26)}" for i in range(50))
    left = np.mean([1 - len(deleted(text, (n,)).split()) / 50 for n in range(200)])
    assert abs(left - 0.1) < 4 * (0.09 / 10_000) ** 0.5
    assert all(deleted("one", (n,)) == "one" and deleted("cat", (n,)) == "cat" for n in range(50))


def test_a_crop_is_a_span_of_half_to_nine_tenths():
    text = " ".join(chr(97 + i) for i in range(20))
    lengths = set()
    for n in range(200):
        span = cropped(text, (n,))
        assert span in text
        lengths.add(len(span.split()))
    assert lengths == set(range(10, 19))


def test_short_texts_survive():
    for name in VIEWS:
        assert edit(name, ["No.", "", "a b"], IDS[:3]) is not None
    assert swapped("No.", (0,)) == "No."


def test_misuse_is_told_in_a_sentence(tmp_path):
    with pytest.raises(Unfit, match="wordnet-base"):
        edited("synonyms", TEXTS, IDS, seed=0, epoch=0, view=1)
    with pytest.raises(Unfit, match="known: dropout, delete"):
        edit("delet")
    with pytest.raises(Unfit, match="holds no WordNet"):
        WordNet.read(tmp_path)
    with pytest.raises(Unfit, match="known: negation"):
        hard_negatives(TEXTS, IDS, 0, 0, rules=["negate"])
