"""Who is tested, and from whom the labelled tests may learn. Every choice is keyed by sample id, none by order.

Shapes: M test items, K items of the bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch

from kontrast import keyed
from kontrast.data.source import Source
from kontrast.evaluate.few_label import ranked_in_class
from kontrast.keyed import Ids

Split: TypeAlias = "tuple[Ids, Ids]"  # rows of the bank, rows of the test


def labelled(source: Source) -> tuple[Ids, Ids]:
    """The usable ids whose class is known, and their class numbers; both (M,)."""
    assert source.labels is not None
    label_N = source.labels[source.ids]
    return source.ids[label_N >= 0], label_N[label_N >= 0]


def renamed(answer_M: Ids, own: Sequence[str], others: Sequence[str]) -> Ids:
    """Class numbers of one source as those of another, by name; a class that the other lacks gets a number past all."""
    if not own or not others:
        return answer_M
    place = {name: number for number, name in enumerate(others)}
    return np.array([place.get(name, len(others) + n) for n, name in enumerate(own)], dtype=np.int64)[answer_M]


def halves(label_M: Ids, seed: int, draw: int) -> Split:
    """Bank and test, each class cut in two; the odd one of a class goes to the bank, so every class is in it."""
    rank_M, count_M = ranked_in_class(torch.from_numpy(label_M), "halves", seed, draw)
    in_bank_M = (rank_M < (count_M + 1) // 2).numpy()
    return np.flatnonzero(in_bank_M), np.flatnonzero(~in_bank_M)


def some(ids: Ids, most: int, purpose: str, seed: int) -> Ids:
    """At most so many of the ids, a keyed choice, ascending."""
    if len(ids) <= most:
        return ids
    return np.sort(ids[np.argsort(keyed.words(purpose, seed, ids), kind="stable")[:most]])
