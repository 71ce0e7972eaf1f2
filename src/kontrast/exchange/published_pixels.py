"""How pictures are made ready for published weights: what the publisher's program does, or what the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kontrast.encoders.images.publishers import IMAGENET, Publisher
from kontrast.errors import Unfit
from kontrast.preprocessing import Preprocessing

WORDS = {"size": "--size", "mean": "--mean", "std": "--std", "interpolation": "--interpolation", "crop_pct": "--crop"}
USUAL = "--pixels imagenet (size 224 cut from 256, bilinear, mean 0.485,0.456,0.406, std 0.229,0.224,0.225)"


@dataclass(frozen=True)
class Asked:
    """What a user says of the pixels; None: nothing. preset: "imagenet", which the others change."""

    preset: str | None = None
    size: int | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    interpolation: str | None = None
    crop_pct: float | None = None


def look(whose: Publisher, asked: Asked) -> tuple[Preprocessing, str]:
    """How the pictures are made ready, and who says so in words; Unfit where nobody says it whole."""
    said = {name: value for name, value in asdict(asked).items() if value is not None and name != "preset"}
    if asked.preset not in (None, "imagenet"):
        raise Unfit(f'--pixels {asked.preset!r}: "imagenet" was expected, or nothing.')
    known = IMAGENET if asked.preset else whose.pixels
    if known is None and (missing := [word for name, word in WORDS.items() if name not in said]):
        raise Unfit(
            f"These weights ({whose.name}) do not say how their pictures were made ready, and vectors depend on it. "
            f"Give {', '.join(missing)}; or {USUAL}, if that is how they were trained."
        )
    whole = {**({name: getattr(known, name) for name in WORDS} if known else {}), **said}
    whole |= {name: tuple(float(one) for one in whole[name]) for name in ("mean", "std")}
    if len(whole["mean"]) != len(whole["std"]) or any(one <= 0 for one in whole["std"]) or whole["size"] < 1:
        raise Unfit("--mean and --std: a number a channel each, --std above 0; --size: pixels.")
    try:
        made = Preprocessing(**whole)
    except ValueError as problem:
        raise Unfit(f"The pixels cannot be made ready so: {problem}.") from None
    source = "as asked" if said or asked.preset or not known else f"as {whose.name}'s own program has them"
    return made, f"{source}: mean {made.mean}, std {made.std}; {made.in_words()}"
