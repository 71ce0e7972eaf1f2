"""Names of the parts that data come in: train, test and their kin, however they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})
_SAME = {"training": "train", "testing": "test"}
_ALIKE = re.compile(
    r"(train|test|val|valid|dev|eval)(ing|idation|uation)?[-_ ]?(set|data|images|imgs|split)?[-_ ]?\d*", re.I
)


def canonical(name: str) -> str:
    """The name under which a split is kept: Training and TRAIN are train; a name of another sort stays as it is."""
    low = name.strip().lower()
    return _SAME.get(low, low) if low in SPLITS else name


def looks_like_one(name: str) -> bool:
    """Whether a folder of this name was probably meant as a split: train, Test2017, val_images."""
    return _ALIKE.fullmatch(name.strip()) is not None


def chosen(asked: str, known: Iterable[str]) -> str | None:
    """The known split that is asked for, in any case of its letters; None where there is none."""
    known = list(known)
    return next((name for name in (asked, canonical(asked)) if name in known), None)
