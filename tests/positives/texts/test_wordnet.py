"""Synonyms from an excerpt of WordNet, and words that stay."""

from pathlib import Path

import numpy as np
import pytest

from kontrast.positives.texts.edits import edited
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
def test_negations_and_numbers_stay(name):
    for epoch in range(40):
        for before, after in zip(TEXTS, edit(name, epoch=epoch)):
            assert [w for w in before.split() if fixed(w)] == [w for w in after.split() if fixed(w)]


def test_synonyms_come_from_wordnet_in_the_old_words_dress():
    seen = {edit("synonyms", ["The Automobile, lazy!"], IDS[:1], epoch=epoch)[0] for epoch in range(60)}
    assert "The Auto, lazy!" in seen and "The Automobile, indolent!" in seen
    assert all(text.startswith("The ") and text.endswith("!") for text in seen)
    assert {"apace", "promptly", "rapidly", "speedily"} <= set(WORDNET.synonyms("quickly"))
    assert "chop-chop" not in WORDNET.synonyms("quickly")
    assert "little" in WORDNET.antonyms("big") and "big" in WORDNET.antonyms("little")
