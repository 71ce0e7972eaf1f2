"""Against whom: the batch's own rows, and whatever is added to them.

Sources add up, in Python and on the command line:

    Queue(4096) + Mixed(top=64)              queue:4096+mixed:64

    queue:N        keys of the last N samples (MoCo)                                    `queue.py`
    random:N       N more keyed samples a step, encoded with gradient                   `random.py`
    mined:N        of all these, only the N hardest of each row                         `hard.py`
    mixed:N        N points made between the hardest (MoCHi)                            `hard.py`
    reweighted:B   harder ones count more, by exp(B s / T) (HCL)                        `weighting.py`
    debiased:P     a share P of the negatives is taken to be positives in disguise      `weighting.py`
    rules:all      for sentences and captions: a hard negative made by rule, all or some
                   of negation, antonym, number, entity, order, relation
                   (rules:number,order)                                                 `by_rule.py`
    guide:FOLDER   rows of the batch that the model of FOLDER finds nearly the same
                   sample are not negatives: its cosine above 1 - margin (margin:0.1)   `guided.py`

Nothing is ever a negative of its own sample, or of its own group where there are groups (`false_negatives.py`).
The words are here, what they do in `extra.SOURCES`: this file imports no torch, so that command lines are checked
before anything heavy is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

from kontrast.errors import Unfit

Value: TypeAlias = int | float | str

RULES = ("negation", "antonym", "number", "entity", "order", "relation")  # of `by_rule`


@dataclass(frozen=True)
class Word:
    """A word of `--negatives`.

    example  a value of it; every value is of this type
    field    of `Negatives`; "": its value is found in `Negatives.more`
    needs    words of which one must stand beside it;  why  it needs them
    batches  batches make it, so only kinds of data that say so take it (`recipes.kinds`); why, where one does not
    not_for  how methods begin that it means nothing to, and why
    """

    example: Value
    field: str = ""
    needs: tuple[str, ...] = ()
    why: str = ""
    batches: str = ""
    not_for: tuple[str, str] | None = None


WORDS: dict[str, Word] = {
    "queue": Word(4096, "queue"),
    "random": Word(256, "random", batches="every batch is a random draw already; raise --batch-size"),
    "mined": Word(64, "mined", needs=("queue:N", "random:N"), why="chooses among more negatives than the batch's"),
    "mixed": Word(64, "mixed"),
    "reweighted": Word(1.0, "beta"),
    "debiased": Word(0.1, "tau_plus"),
    "rules": Word("all", "rules", batches="it makes sentences"),
    "guide": Word("runs/other", "guide", not_for=("moco", "it judges the batch; MoCo compares with its queue")),
    "margin": Word(0.1, "margin", needs=("guide:FOLDER",), why="is the margin to a guide model"),
}


@dataclass(frozen=True)
class Negatives:
    """What stands beside the batch's own rows; nothing by default. `a + b` has both.

    more: (word, value) of each source that has no field here.
    """

    queue: int = 0
    random: int = 0
    mined: int = 0
    mixed: int = 0
    beta: float = 0.0
    tau_plus: float = 0.0
    rules: str = ""
    guide: str = ""
    margin: float = 0.0
    more: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        amounts = (self.queue, self.random, self.mined, self.mixed, self.beta, self.margin)
        if not all(0 <= amount < math.inf for amount in amounts) or not 0 <= self.tau_plus < 1:
            raise Unfit(f"negatives: counts, reweighted and margin must be at least 0, debiased in [0, 1); got {self}.")

    def words(self) -> dict[str, Value]:
        """What was asked for, word by word."""
        named = {word: getattr(self, known.field) for word, known in WORDS.items() if known.field}
        return {word: value for word, value in named.items() if value} | dict(self.more)

    def __add__(self, other: Negatives) -> Negatives:
        for word in other.words():
            if word in self.words():
                raise Unfit(f"negatives: {word} is said twice, in {self} and in {other}.")
        requested = {f.name: getattr(other, f.name) for f in fields(other) if getattr(other, f.name)}
        return replace(self, **requested | {"more": self.more + other.more})

    def __str__(self) -> str:
        return "+".join(
            f"{word}:{value if isinstance(value, str) else f'{value:g}'}" for word, value in self.words().items()
        )


def Queue(size: int) -> Negatives:
    """The keys of the last `size` samples."""
    return Negatives(queue=size)


def Random(count: int) -> Negatives:
    """`count` more samples of each step, encoded with gradient."""
    return Negatives(random=count)


def Mined(top: int) -> Negatives:
    """Of queue and random draws, only the `top` hardest of each row."""
    return Negatives(mined=top)


def Mixed(top: int) -> Negatives:
    """`top` points made between each row's `top` hardest negatives, half of them with the row itself."""
    return Negatives(mixed=top)


def Reweighted(beta: float) -> Negatives:
    """Harder negatives count more."""
    return Negatives(beta=beta)


def Debiased(tau_plus: float) -> Negatives:
    """A share `tau_plus` of the negatives is taken to be positives in disguise."""
    return Negatives(tau_plus=tau_plus)


def Rules(rules: str = "all") -> Negatives:
    """For sentences and captions: one hard negative each, by these rules of `negatives.by_rule`, joined by commas."""
    return Negatives(rules=rules)


def Guided(folder: str, margin: float = 0.0) -> Negatives:
    """Rows that the model of this folder finds nearly the same (cosine above 1 - margin) are not negatives."""
    return Negatives(guide=folder, margin=margin)


def parsed(text: str) -> Negatives:
    """The grammar above, read."""
    found = Negatives()
    for part in text.split("+") if text.strip() else ():
        word, _, requested = (piece.strip() for piece in part.partition(":"))
        if word not in WORDS:
            raise Unfit(
                f"--negatives {part!r}: known are {', '.join(f'{w}:{WORDS[w].example}' for w in WORDS)}, joined by +."
            )
        found += _one(word, requested, part)
    for word, value in found.words().items():
        needs = WORDS[word].needs
        if needs and not any(other.partition(":")[0] in found.words() for other in needs):
            raise Unfit(f"--negatives {word}:{value} {WORDS[word].why}: add {' or '.join(needs)}.")
    return found


def _one(word: str, requested: str, part: str) -> Negatives:
    """A single source with its value."""
    known = WORDS[word]
    try:
        value: Value = type(known.example)(requested)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
    except ValueError:
        value = ""
    if value == "":
        raise Unfit(f"--negatives {part!r}: {word} needs a value, such as {word}:{known.example}.")
    if known.field:
        return replace(Negatives(), **{known.field: value})  # type: ignore[arg-type]
    return Negatives(more=((word, value),))


def rules_of(text: str) -> tuple[str, ...]:
    """The rules for hard negatives that were asked for, by name."""
    rules = parsed(text).rules
    return RULES if rules == "all" else tuple(rules.split(",")) if rules else ()


def check_fits(requested: Negatives, method: str, kind: str, made: Collection[str] = ()) -> None:
    """Unfit where a source of negatives means nothing to a method, or to the kind of data that it reads.

    kind: its name;  made: the words whose negatives its batches make
    """
    for word, value in requested.words().items():
        known = WORDS[word]
        if known.batches and word not in made:
            raise Unfit(f"--negatives {word}:{value} adds nothing to {method}, which reads {kind}: {known.batches}.")
        if known.not_for and method.startswith(known.not_for[0]):
            raise Unfit(f"--negatives {word}:{value} means nothing to {method}: {known.not_for[1]}.")


def check_size(queue: int, samples: int) -> None:
    """Unfit when a queue would hold the whole set: then every row would meet older keys of all that it knows."""
    if queue >= samples:
        raise Unfit(
            f"A queue of {queue:,} keys is no smaller than the {samples:,} samples to train on: every sample would be "
            f"in it. Take less, such as {max(1, samples // 4):,}."
        )
