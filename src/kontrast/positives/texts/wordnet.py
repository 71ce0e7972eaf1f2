"""WordNet's plain files: which words are synonyms, which are opposites; and which words an edit must not touch.

The files are `data.noun`, `data.verb`, `data.adj`, `data.adv` of Princeton WordNet 3.0 or 3.1, as in Debian's package
wordnet-base (/usr/share/wordnet). One line is one set of synonyms:

    offset file type  count(hex)  word lex-id word lex-id ...  pointers  symbol offset pos source/target ...

Only single words are kept, and only words with few senses: "set" has 45, and most would change the sentence.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kontrast.errors import Unfit

PARTS = ("noun", "verb", "adj", "adv")
SENSES = 4  # words with more senses are left alone


def listed(words: str) -> frozenset[str]:
    """A set of words, written as a line."""
    return frozenset(words.split())


NEGATIONS = listed(
    "no not n't never none nobody nothing nowhere neither nor cannot without hardly scarcely barely except unless"
)
NUMBERS = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion half "
    "first second third once twice"
)


def bare(word: str) -> str:
    """Lower case, without punctuation around it."""
    return word.strip(string.punctuation).lower()


def fixed(word: str) -> bool:
    """Negations and numbers: what turns or counts a meaning, never edited."""
    plain = bare(word)
    return plain in NEGATIONS or plain.endswith(("n't", "n’t")) or plain in NUMBERS or any(c.isdigit() for c in plain)


@dataclass(frozen=True)
class WordNet:
    """Synonyms and antonyms of single words, both in sorted order."""

    synonym: Mapping[str, tuple[str, ...]]
    antonym: Mapping[str, tuple[str, ...]]

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Of a lower-case word; empty for fixed words and for words of many senses."""
        return () if fixed(word) else self.synonym.get(word, ())

    def antonyms(self, word: str) -> tuple[str, ...]:
        return self.antonym.get(word, ())

    @classmethod
    def read(cls, folder: str | Path) -> WordNet:
        """Unfit if the folder holds no WordNet."""
        folder = Path(folder)
        paths = [folder / f"data.{part}" for part in PARTS if (folder / f"data.{part}").is_file()]
        if not paths:
            raise Unfit(f"{folder} holds no WordNet: data.noun, data.verb, data.adj or data.adv were expected.")
        senses: dict[str, list[list[str]]] = {}
        opposites: dict[str, set[str]] = {}
        for path in paths:
            sets = _sets(path)
            for words, pointers in sets.values():
                for word in words:
                    senses.setdefault(word, []).append(words)
                for offset, source, target in pointers:
                    if offset in sets and words[source - 1].isalpha():
                        opposites.setdefault(words[source - 1], set()).add(sets[offset][0][target - 1])
        synonym = {
            word: tuple(sorted({other for words in found for other in words if other.isalpha()} - {word}))
            for word, found in senses.items()
            if len(found) <= SENSES and word.isalpha()
        }
        antonym = {word: tuple(sorted(o for o in others if o.isalpha())) for word, others in opposites.items()}
        return cls(synonym, antonym)


def _sets(path: Path) -> dict[str, tuple[list[str], list[tuple[str, int, int]]]]:
    """offset -> (its words in lower case, its antonym pointers: offset, source and target word, from 1)."""
    sets = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.split("|", 1)[0].split()
        count = int(fields[3], 16)
        words = [word.split("(")[0].lower() for word in fields[4 : 4 + 2 * count : 2]]
        rest = fields[5 + 2 * count :]
        pointers = [
            (rest[at + 1], int(rest[at + 3][:2], 16), int(rest[at + 3][2:], 16))
            for at in range(0, 4 * int(fields[4 + 2 * count]), 4)
            if rest[at] == "!" and rest[at + 3] != "0000"
        ]
        sets[fields[0]] = (words, pointers)
    return sets
