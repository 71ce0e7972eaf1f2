"""Who is tested, and from whom the labelled tests may learn. Every choice is keyed by sample id, none by order.

Shapes: M test items, K items of the bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast import keyed
from kontrast.data.content import first_of_equals, untested
from kontrast.data.source import Source
from kontrast.keyed import Ids

Split: TypeAlias = "tuple[Ids, Ids]"  # rows of the bank, rows of the test
DRAWS = 5  # of stratified halves, when there is no labelled bank


@dataclass(frozen=True)
class Labels:
    """The items whose class is known, those of the bank, and which rows of both meet (once, or in several draws).

    Class numbers are the bank's: classes are compared by name, and one that the bank lacks has a number past all.
    """

    test_ids: Ids
    answer_M: Ids
    bank_ids: Ids
    label_K: Ids
    splits: tuple[Split, ...]

    @classmethod
    def of(cls, source: Source, bank: Source | None, seed: int) -> Labels:
        """Of a source with labels; without a bank each half of the source is once the other's."""
        test_ids, answer_M = labelled(source)
        if bank is None:
            leads_M = first_of_equals(source, test_ids)
            splits = tuple(halves(answer_M, seed, draw, leads_M) for draw in range(DRAWS))
            return cls(test_ids, answer_M, test_ids, answer_M, splits)
        bank_ids, label_K = labelled(bank)
        whole = np.arange(len(bank_ids)), np.arange(len(test_ids))
        return cls(test_ids, renamed(answer_M, source.classes, bank.classes), bank_ids, label_K, (whole,))


def cleaned(bank: Source | None, source: Source) -> tuple[Source | None, str]:
    """(the bank without anything that is tested, by content; what to say). None where nothing is left to learn from."""
    if bank is None or bank.labels is None or source.labels is None:
        return bank, ""
    left = bank.part(untested(bank, source))
    own, theirs = _class_names(left), _class_names(source)
    many = len(bank.ids) - len(left.ids)
    if len(own) < 2 and many:
        return None, f"{bank.name} holds nothing to learn from beside what is tested: halves of {source.name} instead"
    if not own & theirs and len(own) > 1:
        return None, f"{bank.name} holds none of the tested classes: halves of {source.name} instead"
    return left, f"{many:,} items of the bank are tested too and were left out of it" if many else ""


def _class_names(source: Source) -> set[str]:
    numbers = np.unique(labelled(source)[1]).tolist()
    return {source.classes[number] if source.classes else str(number) for number in numbers}


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


def halves(label_M: Ids, seed: int, draw: int, leads_M: Ids | None = None) -> Split:
    """Bank and test, each class cut in two; the odd one of a class goes to the bank, so every class is in it.

    leads_M  for each row the first one with its content, on whose side it stays
    """
    leads_M = np.arange(len(label_M)) if leads_M is None else leads_M
    first_L, place_M = np.unique(leads_M, return_inverse=True)
    rank_L, count_L = ranked_in_class(torch.from_numpy(label_M[first_L]), "halves", seed, draw)
    in_bank_M = (rank_L < (count_L + 1) // 2).numpy()[place_M]
    return np.flatnonzero(in_bank_M), np.flatnonzero(~in_bank_M)


def ranked_in_class(
    class_K: Tensor, *key: str | int, ids: npt.NDArray[np.int64] | None = None
) -> tuple[Tensor, Tensor]:
    """Each row's place in a keyed shuffle of its own class, from 0, and the size of that class; both (K,) int64."""
    label_K = class_K.numpy()
    order_K = np.lexsort((keyed.words(*key, np.arange(len(label_K)) if ids is None else ids), label_K))
    size_C = np.bincount(label_K, minlength=1)
    rank_K = np.empty(len(label_K), dtype=np.int64)
    rank_K[order_K] = np.arange(len(label_K)) - np.repeat(np.cumsum(size_C) - size_C, size_C)
    return torch.from_numpy(rank_K), torch.from_numpy(size_C[label_K])


def some(ids: Ids, most: int, purpose: str, seed: int) -> Ids:
    """At most so many of the ids, a keyed choice, ascending."""
    if len(ids) <= most:
        return ids
    return np.sort(ids[np.argsort(keyed.words(purpose, seed, ids), kind="stable")[:most]])
