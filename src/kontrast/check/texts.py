"""What the sentences of a source are like: lengths, one-word ones, repeats, and captions longer than a tower reads.

Shapes: T texts of all columns together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kontrast.check.near import plain
from kontrast.data.source import Source
from kontrast.keyed import Ids

ROLES = ("text", "anchor", "positive", "negative", "first", "second")
CONTEXT = 77  # tokens of CLIP, its marks of beginning and end among them
_PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.IGNORECASE)  # each is a token or more


@dataclass(frozen=True)
class Read:
    """The texts of a source: sample and column of each, as they are and without case, marks and spacing."""

    id_T: Ids
    role_T: list[str]
    texts: list[str]
    plain: list[str]

    def of(self, role: str) -> Read:
        """The texts of one column."""
        rows = [row for row, own in enumerate(self.role_T) if own == role]
        words = ([column[row] for row in rows] for column in (self.role_T, self.texts, self.plain))
        return Read(self.id_T[rows], *words)

    def repeats(self) -> list[list[int]]:
        """Samples of one column that are the same words, case and marks aside, a list for each text."""
        places: dict[tuple[str, str], list[int]] = {}
        for sample, role, text in zip(self.id_T.tolist(), self.role_T, self.plain):
            places.setdefault((role, text), []).append(sample)
        several = (list(dict.fromkeys(ids)) for (_, text), ids in places.items() if text)
        return [ids for ids in several if len(ids) > 1]

    def short(self) -> Ids:
        """Samples with a text of one word, or of marks alone."""
        return np.unique(self.id_T[[" " not in text for text in self.plain]])

    def words(self) -> tuple[int, int, int]:
        """Shortest, middle and longest text in words."""
        counts = np.array([len(text.split()) for text in self.texts])
        return int(counts.min()), int(np.median(counts)), int(counts.max())

    def long(self) -> Ids:
        """Samples with a text that is certainly longer than CLIP's 77 tokens: each word or mark is one at least."""
        return np.unique(self.id_T[[len(_PIECES.findall(text)) + 2 > CONTEXT for text in self.texts]])


def read(source: Source) -> Read | None:
    """All texts of the usable samples; None where there are none."""
    ids, roles, texts = list[int](), list[str](), list[str]()
    for role in (role for role in ROLES if role in source.columns):
        captions: Sequence[list[str]] = source.captions(source.ids, role)
        for sample, several in zip(source.ids.tolist(), captions):
            for text in (text for text in several if isinstance(text, str)):
                ids.append(sample)
                roles.append(role)
                texts.append(text)
    if not texts:
        return None
    return Read(np.array(ids, dtype=np.int64), roles, texts, [plain(text) for text in texts])
