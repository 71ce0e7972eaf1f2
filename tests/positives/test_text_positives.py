"""Edits of sentences: pure functions of their keys, that leave negations and numbers alone."""

from pathlib import Path

import numpy as np
import pytest

from kontrast.errors import Unfit
from kontrast.negatives.by_rule import RULES, hard_negatives, negated, reordered, turned
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


@pytest.mark.parametrize("name", VIEWS)
def test_negations_and_numbers_stay(name):
    for epoch in range(40):
        for before, after in zip(TEXTS, edit(name, epoch=epoch)):
            assert [w for w in before.split() if fixed(w)] == [w for w in after.split() if fixed(w)]


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


def test_synonyms_come_from_wordnet_in_the_old_words_dress():
    seen = {edit("synonyms", ["The Automobile, lazy!"], IDS[:1], epoch=epoch)[0] for epoch in range(60)}
    assert "The Auto, lazy!" in seen and "The Automobile, indolent!" in seen
    assert all(text.startswith("The ") and text.endswith("!") for text in seen)
    assert {"apace", "promptly", "rapidly", "speedily"} <= set(WORDNET.synonyms("quickly"))
    assert "chop-chop" not in WORDNET.synonyms("quickly")
    assert "little" in WORDNET.antonyms("big") and "big" in WORDNET.antonyms("little")


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


def test_misuse_is_told_in_a_sentence(tmp_path):
    with pytest.raises(Unfit, match="wordnet-base"):
        edited("synonyms", TEXTS, IDS, seed=0, epoch=0, view=1)
    with pytest.raises(Unfit, match="known: dropout, delete"):
        edit("delet")
    with pytest.raises(Unfit, match="holds no WordNet"):
        WordNet.read(tmp_path)
    with pytest.raises(Unfit, match="known: negation"):
        hard_negatives(TEXTS, IDS, 0, 0, rules=["negate"])
