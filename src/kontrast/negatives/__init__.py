"""Against whom: the batch's own rows, and whatever is added to them.

Sources add up, in Python and on the command line:

    Queue(4096) + Mixed(top=64)              queue:4096+mixed:64

    queue:N        keys of the last N samples (MoCo)                                    `queue.py`
    random:N       N more keyed samples a step, encoded with gradient                   `random.py`
    mined:N        of all these, only the N hardest of each row                         `hard.py`
    mixed:N        N points made between the hardest (MoCHi)                            `hard.py`
    reweighted:B   harder ones count more, by exp(B s / T) (HCL)                        `losses.engine.candidates`
    debiased:P     a share P of the negatives is taken to be positives in disguise      `losses.engine.candidates`
    rules:all      for sentences and captions: a hard negative made by rule, all or some
                   of negation, antonym, number, entity, order, relation
                   (rules:number,order)                                                 `negatives.by_rule`
    guide:FOLDER   rows of the batch that the model of FOLDER finds nearly the same
                   sample are not negatives: its cosine above 1 - margin (margin:0.1)   `losses.Guide`

Nothing is ever a negative of its own sample, or of its own group where there are groups (`false_negatives.py`).
This file imports no torch: command lines are checked before anything heavy is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from kontrast.errors import Unfit

RULES = ("negation", "antonym", "number", "entity", "order", "relation")  # of `by_rule`
WORDS = {
    "queue": "queue",
    "random": "random",
    "mined": "mined",
    "mixed": "mixed",
    "reweighted": "beta",
    "debiased": "tau_plus",
    "rules": "rules",
    "guide": "guide",
    "margin": "margin",
}


@dataclass(frozen=True)
class Negatives:
    """What stands beside the batch's own rows; nothing by default. `a + b` has both."""

    queue: int = 0
    random: int = 0
    mined: int = 0
    mixed: int = 0
    beta: float = 0.0
    tau_plus: float = 0.0
    rules: str = ""
    guide: str = ""
    margin: float = 0.0

    def __post_init__(self) -> None:
        if min(self.queue, self.random, self.mined, self.mixed, self.beta) < 0 or not 0 <= self.tau_plus < 1:
            raise Unfit(f"negatives: counts and reweighted must be at least 0, debiased in [0, 1); got {self}.")

    def __add__(self, other: Negatives) -> Negatives:
        requested = {f.name: getattr(other, f.name) for f in fields(other) if getattr(other, f.name)}
        for name in requested:
            if getattr(self, name):
                raise Unfit(f"negatives: {name} is said twice, in {self} and in {other}.")
        return replace(self, **requested)

    def __str__(self) -> str:
        requested = {word: getattr(self, name) for word, name in WORDS.items() if getattr(self, name)}
        return "+".join(
            f"{word}:{value if isinstance(value, str) else f'{value:g}'}" for word, value in requested.items()
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
                f"--negatives {part!r}: known are {', '.join(f'{w}:{EXAMPLES[w]}' for w in WORDS)}, joined by +."
            )
        try:
            value = type(EXAMPLES[word])(requested)
        except ValueError:
            value = ""
        if value == "":
            raise Unfit(f"--negatives {part!r}: {word} needs a value, such as {word}:{EXAMPLES[word]}.")
        found += replace(Negatives(), **{WORDS[word]: value})  # type: ignore[arg-type]
    if found.mined and not (found.queue or found.random):
        raise Unfit("--negatives mined:N chooses among more negatives than the batch's: add queue:N or random:N.")
    if found.margin and not found.guide:
        raise Unfit("--negatives margin:M is the margin to a guide model: add guide:FOLDER.")
    return found


def rules_of(text: str) -> tuple[str, ...]:
    """The rules for hard negatives that were asked for, by name."""
    rules = parsed(text).rules
    return RULES if rules == "all" else tuple(rules.split(",")) if rules else ()


def check_fits(requested: Negatives, method: str, kind: str) -> None:
    """Unfit where a source of negatives means nothing to a method that reads pictures, pairs or sentences (`kind`)."""
    if requested.rules and kind not in ("texts", "pairs"):
        raise Unfit(f"--negatives rules:{requested.rules} makes sentences; {method} reads {kind}.")
    if requested.guide and method.startswith("moco"):
        raise Unfit(
            f"--negatives guide:{requested.guide} judges the rows of a batch; {method} compares with its queue."
        )
    if requested.random and kind == "pairs":
        raise Unfit(
            f"--negatives random:{requested.random}: a batch of pairs is a random draw already; raise --batch-size."
        )


def check_size(queue: int, samples: int) -> None:
    """Unfit when a queue would hold the whole set: then every row would meet older keys of all that it knows."""
    if queue >= samples:
        raise Unfit(
            f"A queue of {queue:,} keys is no smaller than the {samples:,} samples to train on: every sample would be "
            f"in it. Take less, such as {max(1, samples // 4):,}."
        )


EXAMPLES: dict[str, int | float | str] = {
    "queue": 4096, "random": 256, "mined": 64, "mixed": 64, "reweighted": 1.0, "debiased": 0.1, "rules": "all",
    "guide": "runs/other", "margin": 0.1,
}  # fmt: skip
