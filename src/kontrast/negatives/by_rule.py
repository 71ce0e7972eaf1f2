"""Hard negatives by rule: a sentence nearly the same in words and not the same in meaning.

    negation  "is" becomes "is not", "is not" becomes "is"
    antonym   a word becomes its WordNet opposite (needs WordNet's files)
    number    a number becomes another one
    entity    a name (a capitalised word within the sentence) becomes a name of another sentence
    order     what stands on both sides of a preposition changes places
    relation  where and when turns round: "left of" becomes "right of", "above" "below", "before" "after"

Each rule gives None where it does not apply. Every draw is a pure function of its keys.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.negatives import RULES
from kontrast.positives.texts.wordnet import NUMBERS, WordNet, bare, listed

AUXILIARY = sorted(listed("is are was were am be can could will would should must may might do does did has have had"))
ARTICLES = listed("a an the")
BETWEEN = listed("to than from into over under behind before after above below beside against onto")
JOINING = listed("and or but while who that which with in on at by of for near is are was were")
COUNTS = sorted(NUMBERS - listed("zero one half hundred thousand million billion first second third once twice"))
TURNED = {
    "left of": "right of",
    "to the left": "to the right",
    "on the left": "on the right",
    "left side": "right side",
    "above": "below",
    "over": "under",
    "in front of": "behind",
    "inside": "outside",
    "before": "after",
}
TURNED |= {there: here for here, there in TURNED.items()}
_TURNED = re.compile(rf"\b({'|'.join(sorted(TURNED, key=len, reverse=True))})\b", re.IGNORECASE)
_NOT = re.compile(rf"\b({'|'.join(AUXILIARY)}) not\b|\b({'|'.join(AUXILIARY)})n['’]t\b|\b(can)not\b", re.IGNORECASE)
_AUXILIARY = re.compile(rf"\b({'|'.join(AUXILIARY)})\b", re.IGNORECASE)


def negated(text: str) -> str | None:
    """With "not" after its first auxiliary verb, or without the "not" it had."""
    if _NOT.search(text):
        return _NOT.sub(lambda found: next(part for part in found.groups() if part), text, count=1)
    found = _AUXILIARY.search(text)
    return None if found is None else f"{text[: found.end()]} not{text[found.end() :]}"


def opposed(text: str, wordnet: WordNet, key: tuple[keyed.Key, ...]) -> str | None:
    """With one word turned into its opposite."""
    words = text.split()
    places = [place for place, word in enumerate(words) if wordnet.antonyms(bare(word))]
    if not places:
        return None
    place = places[int(keyed.below(len(places), "antonym", *key))]
    choices = wordnet.antonyms(bare(words[place]))
    return _replaced(words, place, choices[int(keyed.below(len(choices), "which", *key))])


def recounted(text: str, key: tuple[keyed.Key, ...]) -> str | None:
    """With one number, in digits or in words, turned into another."""
    words = text.split()
    places = [place for place, word in enumerate(words) if bare(word).isdigit() or bare(word) in COUNTS]
    if not places:
        return None
    place = places[int(keyed.below(len(places), "number", *key))]
    old, step = bare(words[place]), 1 + int(keyed.below(9, "other", *key))
    if old.isdigit():
        return _replaced(words, place, str(int(old) + step))
    return _replaced(words, place, COUNTS[(COUNTS.index(old) + step) % len(COUNTS)])


def names_in(text: str) -> list[int]:
    """The places of capitalised words that do not begin the sentence."""
    return [place for place, word in enumerate(text.split()) if place and _is_name(word)]


def _is_name(word: str) -> bool:
    return bare(word).isalpha() and bare(word) != "i" and next(c for c in word if c.isalpha()).isupper()


def renamed(text: str, other_names: Sequence[str], key: tuple[keyed.Key, ...]) -> str | None:
    """With one name turned into one of the other names."""
    words, places = text.split(), names_in(text)
    choices = sorted({name for name in other_names} - {bare(words[place]) for place in places})
    if not places or not choices:
        return None
    place = places[int(keyed.below(len(places), "entity", *key))]
    return _replaced(words, place, choices[int(keyed.below(len(choices), "name", *key))].capitalize())


def reordered(text: str) -> str | None:
    """With what stands on both sides of a preposition changed: two names, or two groups that begin with an article.

    "a red ball beside a blue box" becomes "a blue box beside a red ball". A group is an article and one or two words.
    """
    words = text.split()
    for place in range(1, len(words) - 1):
        if bare(words[place]) not in BETWEEN:
            continue
        left, right = _group_before(words, place), _group_after(words, place)
        if left is None or right is None:
            continue
        one, other = " ".join(words[left:place]).lower(), " ".join(words[place + 1 : right])
        core = other.rstrip(string.punctuation)
        if one == core.lower():
            continue
        kept = words[left:place] if left and words[left][0].isupper() else one.split()
        first = core[0].upper() + core[1:] if left == 0 else core
        end = " ".join(kept) + other[len(core) :]
        return " ".join([*words[:left], first, words[place], end, *words[right:]])
    return None


def turned(text: str, key: tuple[keyed.Key, ...]) -> str | None:
    """With one word of place or time turned into its opposite."""
    found = list(_TURNED.finditer(text))
    if not found:
        return None
    one = found[int(keyed.below(len(found), "relation", *key))]
    new = TURNED[one[0].lower()]
    return text[: one.start()] + (new.capitalize() if one[0][0].isupper() else new) + text[one.end() :]


def _group_before(words: Sequence[str], place: int) -> int | None:
    """Where the name or the group with an article begins that ends before this place; no punctuation within."""
    if place > 1 and _is_name(words[place - 1]):
        return place - 1
    for start in range(place - 2, max(-1, place - 4), -1):
        if bare(words[start]) in ARTICLES and all(
            word.isalpha() and bare(word) not in JOINING for word in words[start:place]
        ):
            return start
    return None


def _group_after(words: Sequence[str], place: int) -> int | None:
    """Where the name or the group with an article ends that begins after this place."""
    if _is_name(words[place + 1]):
        return place + 2
    if bare(words[place + 1]) not in ARTICLES:
        return None
    for end in range(place + 3, min(len(words), place + 4) + 1):
        last = words[end - 1]
        if not last.isalpha() or end == len(words) or bare(words[end]) in BETWEEN | JOINING:
            return end if bare(last).isalpha() else None
    return None


def hard_negatives(
    texts: Sequence[str],
    ids_B: npt.NDArray[np.int64],
    seed: int,
    epoch: int,
    *,
    rules: Sequence[str] = RULES,
    wordnet: WordNet | None = None,
) -> list[str]:
    """One for each text, as `altered` makes it; where no rule applies, "It is not true that ..."."""
    made = altered(texts, ids_B, seed, epoch, rules=rules, wordnet=wordnet)
    denied = (f"It is not true that {text if text.startswith('I ') else text[:1].lower() + text[1:]}" for text in texts)
    return [negative or denial for negative, denial in zip(made, denied)]


def altered(
    texts: Sequence[str],
    ids_B: npt.NDArray[np.int64],
    seed: int,
    epoch: int,
    *,
    rules: Sequence[str] = RULES,
    wordnet: WordNet | None = None,
) -> list[str | None]:
    """Each text by the first rule that applies, in an order drawn for it; None where none does."""
    unknown = [rule for rule in rules if rule not in RULES]
    if unknown:
        raise Unfit(f"{unknown[0]!r} is no rule for hard negatives; known: {', '.join(RULES)}.")
    if wordnet is None:
        rules = [rule for rule in rules if rule != "antonym"]
    names = [bare(text.split()[place]) for text in texts for place in names_in(text)]
    made: list[str | None] = []
    for text, sample in zip(texts, ids_B):
        key = ("hard negative", seed, epoch, int(sample))
        order = np.argsort(keyed.words("rule", *key, np.arange(len(rules))))
        tried = (_by(rules[at], text, names, wordnet, key) for at in order)
        made.append(next((negative for negative in tried if negative is not None), None))
    return made


def _by(rule: str, text: str, names: list[str], wordnet: WordNet | None, key: tuple[keyed.Key, ...]) -> str | None:
    if rule == "negation":
        return negated(text)
    if rule == "antonym":
        return None if wordnet is None else opposed(text, wordnet, key)
    if rule == "number":
        return recounted(text, key)
    if rule == "entity":
        return renamed(text, names, key)
    return reordered(text) if rule == "order" else turned(text, key)


def _replaced(words: Sequence[str], place: int, new: str) -> str:
    """The sentence with one word changed, in the old one's capital and punctuation."""
    old, plain = words[place], bare(words[place])
    start = old.lower().index(plain)
    new = new.capitalize() if old[start].isupper() else new
    return " ".join([*words[:place], old[:start] + new + old[start + len(plain) :], *words[place + 1 :]])
