"""The nearest published recipe by what the data are, and the words of `--negatives` that a kind's batches make."""

from dataclasses import replace

from kontrast import methods
from kontrast.recipes.kinds import KINDS
from kontrast.recipes.rules import SMALL_PICTURE, Facts

FACTS = Facts(1000, 32, 3, False, False)


def test_every_method_reads_a_kind_that_can_be_planned():
    assert {entry.kind for entry in methods.METHODS.values()} == set(KINDS)


def test_the_nearest_recipe():
    pictures, texts = KINDS["images"].recipe, KINDS["texts"].recipe
    assert pictures(replace(FACTS, side=SMALL_PICTURE)) == "cifar10"
    assert pictures(replace(FACTS, side=SMALL_PICTURE + 1)) == "imagenet"
    assert texts(replace(FACTS, partners=True)) == "supervised" and texts(FACTS) == "unsupervised"


def test_rules_by_grammar_are_for_words():
    assert [name for name, kind in KINDS.items() if "rules" in kind.negatives] == ["pairs", "texts"]
