"""Text positives: a copy of a sentence that means nearly the same. Every edit is a pure function of its keys.

    dropout   the sentence itself: the encoder's dropout masks make the difference (Gao et al. 2021)
    delete    each word is left out with probability 0.1, never all (EDA, Wei and Zou 2019, arXiv:1901.11196)
    swap      a tenth of the words, at least one, change places (EDA)
    crop      a span of half to nine tenths of the words; both views are cropped, each on its own
    synonyms  a tenth of the words, at least one, become a WordNet synonym (EDA; needs WordNet's files)

What would turn the meaning is left alone: negations and numbers are never deleted, moved or replaced, and no crop
separates them from a sentence that had them. The edits work on words between spaces; case and punctuation stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.positives.texts.wordnet import WordNet, bare, fixed

Edit: TypeAlias = Callable[[str, tuple[keyed.Key, ...]], str]

SHARE = 0.1  # of the words: EDA's alpha for sentences of ordinary length
SHORTEST, LONGEST = 0.5, 0.9  # share of the words that a crop keeps


def deleted(text: str, key: tuple[keyed.Key, ...]) -> str:
    """Each word left out with probability `SHARE`; fixed words and at least one other stay."""
    words = text.split()
    chance = keyed.uniform("delete", *key, np.arange(len(words)))
    kept = [word for word, left in zip(words, chance) if left >= SHARE or fixed(word)]
    return " ".join(kept) if kept else words[int(keyed.below(len(words), "keep", *key))] if words else text


def swapped(text: str, key: tuple[keyed.Key, ...]) -> str:
    """`SHARE` of the words, at least one, change places with another; fixed words stay where they are."""
    words = text.split()
    movable = [place for place, word in enumerate(words) if not fixed(word)]
    if len(movable) < 2:
        return text
    for turn in range(max(1, int(SHARE * len(words)))):
        order = keyed.permuted(np.arange(2), len(movable), "swap", *key, turn)
        one, other = movable[order[0]], movable[order[1]]
        words[one], words[other] = words[other], words[one]
    return " ".join(words)


def cropped(text: str, key: tuple[keyed.Key, ...]) -> str:
    """A span of the words that holds every fixed word."""
    words = text.split()
    if len(words) < 3:
        return text
    share = SHORTEST + (LONGEST - SHORTEST) * float(keyed.uniform("crop", *key))
    length = max(2, round(share * len(words)))
    start = int(keyed.below(len(words) - length + 1, "start", *key))
    must = [place for place, word in enumerate(words) if fixed(word)]
    first, last = min([start, *must]), max([start + length, *(place + 1 for place in must)])
    return " ".join(words[first:last])


def with_synonyms(wordnet: WordNet) -> Edit:
    """`SHARE` of the words, at least one where any has a synonym, become one. Fixed words have none."""

    def edit(text: str, key: tuple[keyed.Key, ...]) -> str:
        words = text.split()
        places = [place for place, word in enumerate(words) if wordnet.synonyms(bare(word))]
        order = np.argsort(keyed.words("which", *key, np.arange(len(places))))
        for place in (places[at] for at in order[: max(1, int(SHARE * len(words)))]):
            choices = wordnet.synonyms(bare(words[place]))
            words[place] = _dressed(choices[int(keyed.below(len(choices), "synonym", *key, place))], words[place])
        return " ".join(words)

    return edit


def edited(
    name: str, texts: Sequence[str], ids_B: Ids, *, seed: int, epoch: int, view: int, wordnet: WordNet | None = None
) -> list[str]:
    """One view of each text: view 0 is the sentence as it stands (both views are cropped under "crop")."""
    if name in ("dropout", "none") or (view == 0 and name != "crop"):
        return list(texts)
    edit = _edit(name, wordnet)
    return [edit(text, (name, seed, epoch, view, int(sample))) for text, sample in zip(texts, ids_B)]


def _edit(name: str, wordnet: WordNet | None) -> Edit:
    known = {"delete": deleted, "swap": swapped, "crop": cropped}
    if name == "synonyms":
        if wordnet is None:
            raise Unfit(
                "--views synonyms needs WordNet's files (Debian: wordnet-base): name their folder, synonyms:FOLDER."
            )
        return with_synonyms(wordnet)
    if name not in known:
        raise Unfit(f"--views {name!r} is no text positive; known: dropout, {', '.join(known)}, synonyms:FOLDER.")
    return known[name]


def _dressed(new: str, old: str) -> str:
    """The new word in the old one's capital and punctuation."""
    plain = bare(old)
    start = old.lower().index(plain)
    new = new.capitalize() if old[start].isupper() else new
    return old[:start] + new + old[start + len(plain) :]
