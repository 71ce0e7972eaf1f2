"""How a run on each kind of data is planned: which published recipe is the nearest, and the rules that scale it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from kontrast.recipes import trained
from kontrast.recipes.rules import SMALL_PICTURE, Facts, by_pairs, by_size, by_text
from kontrast.settings import Settings

Table: TypeAlias = dict[str, tuple[Any, str]]
Trained: TypeAlias = Callable[[Facts, Settings, Table], Table]


@dataclass(frozen=True)
class Kind:
    """What a kind of data says to a plan.

    recipe     name of the published recipe that is the nearest; where a method has none of that name, its first counts
    rules      (facts, what was asked, the recipe) -> setting or field of the Config -> (value, the reason in a line)
    negatives  words of `--negatives` that its batches make
    trained    what differs where the weights come from somewhere: (facts, what was asked, the rules so far) -> the same
    """

    recipe: Callable[[Facts], str]
    rules: Callable[[Facts, Settings, Settings], dict[str, tuple[Any, str]]]
    negatives: tuple[str, ...] = ()
    trained: Trained | None = None


def of_pictures(facts: Facts) -> str:
    """By their size."""
    return "cifar10" if facts.side <= SMALL_PICTURE else "imagenet"


def of_sentences(facts: Facts) -> str:
    """By whether each has its partner."""
    return "supervised" if facts.partners else "unsupervised"


KINDS = {
    "images": Kind(of_pictures, by_size, ("random",), trained.of_pictures),
    "pairs": Kind(of_pictures, by_pairs, ("rules",)),
    "texts": Kind(of_sentences, by_text, ("random", "rules")),
}
