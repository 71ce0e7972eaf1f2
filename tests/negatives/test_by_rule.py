"""Hard negatives by rule."""

from pathlib import Path

import numpy as np
import pytest

from kontrast.negatives.by_rule import RULES, hard_negatives, negated, reordered, turned
from kontrast.positives.texts.wordnet import WordNet

WORDNET = WordNet.read(Path(__file__).parents[1] / "positives" / "texts" / "wordnet")


TEXTS = [
    "The big dog does not jump over 2 lazy cats near Berlin.",
    "Two kids are sleeping in a large automobile, happily.",
    "A red ball lies beside a blue box.",
    "Anna never went to Paris from London in 1999.",
]


IDS = np.arange(len(TEXTS))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("He is tall.", "He is not tall."),
        ("He is not tall.", "He is tall."),
        ("He isn't tall.", "He is tall."),
        ("You cannot go.", "You can go."),
        ("Birds fly.", None),
    ],
)
def test_negation(text, wanted):
    assert negated(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A red ball lies beside a blue box.", None),
        ("A red ball beside a blue box.", "A blue box beside a red ball."),
        ("It flew from Rome to Oslo.", "It flew from Oslo to Rome."),
        ("The dog is under the table.", None),
        ("Birds fly.", None),
    ],
)
def test_word_order(text, wanted):
    assert reordered(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A red ball left of a box", "A red ball right of a box"),
        ("Below the bridge it is dark.", "Above the bridge it is dark."),
        ("a dog in front of a car", "a dog behind a car"),
        ("to the left of the door", "to the right of the door"),
        ("She left the house.", None),
        ("It is overdue.", None),
    ],
)
def test_relations_turn_round_and_back(text, wanted):
    assert turned(text, (0,)) == wanted
    assert wanted is None or turned(wanted, (0,)) == text


def test_one_of_several_relations_turns_by_its_key():
    made = {turned("above a box before noon", (key,)) for key in range(20)}
    assert made == {"below a box before noon", "above a box after noon"}


def test_hard_negatives_are_never_the_sentence_itself():
    for rule in RULES:
        made = hard_negatives(TEXTS, IDS, 0, 0, rules=[rule], wordnet=WORDNET)
        assert all(a != b for a, b in zip(made, TEXTS))
    number = hard_negatives(TEXTS, IDS, 0, 0, rules=["number"])
    assert number[3].startswith("Anna never went to Paris from London in ") and "1999" not in number[3]
    assert number[1].endswith("kids are sleeping in a large automobile, happily.")
    assert hard_negatives(TEXTS, IDS, 0, 0, rules=["entity"])[3] != TEXTS[3]
    opposite = hard_negatives(["The kids sleep happily."], IDS[:1], 0, 0, rules=["antonym"], wordnet=WORDNET)
    assert opposite[0] in ("The kids sleep unhappily.", "The kids sleep sadly.", "The kids wake happily.")
    assert hard_negatives(["Birds fly."], IDS[:1], 0, 0) == ["It is not true that birds fly."]
