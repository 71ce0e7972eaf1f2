"""Rules for pictures whose encoder comes with weights that know something: they are moved gently, each with its reason.

`resolve` lays them over the rules for random weights, wherever weights come from a folder, a library or an earlier run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kontrast.recipes.rules import Facts
from kontrast.settings import Settings

EPOCHS = ((2_000, 10), (10_000, 5), (100_000, 2), (float("inf"), 1))  # samples below which, passes
GENTLER = 20  # times a smaller rate than random weights have
LOOKS = (20, 100)  # steps between two looks at the held-out part: at least, at most


def of_pictures(facts: Facts, requested: Settings, rules: Mapping[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    """What differs from `rules`, which are for random weights."""
    batch, usual = rules["batch_size"][0], rules["lr"][0]
    epochs = requested.epochs or next(epochs for limit, epochs in EPOCHS if facts.n < limit)
    steps = max(1, facts.n // batch) * epochs
    how = (requested.tune or "full").partition(":")[0]
    share = {"full": 1 / GENTLER, "last": 1 / GENTLER}.get(how, 1 / 4)
    why = f"trained weights: a twentieth of the {usual:g} for random ones"
    table: dict[str, tuple[Any, str]] = {
        "tune": ("full", "all layers move, those near the input least"),
        "lr": (usual * share, why if how in ("full", "last") else f"new weights beside trained ones: {usual:g} / 4"),
        "weight_decay": (0.01, "decay pulls towards zero, and not towards what trained weights know: little of it"),
        "warmup": (epochs / 10, "a tenth of the run: a fresh head sends loud gradients at first"),
        "epochs": (epochs, f"trained weights need few passes: {steps:,} steps of {batch}"),
        "norm": ("frozen", "the running statistics belong to the weights; --norm batch lets them move"),
    }
    if how == "full":
        table["layer_decay"] = (0.8, "each layer moves a fifth less than the next: what is near the input is general")
    if rules["views"][0] != "affine":
        table["views"] = ("gentle", "larger crops and half the colour jitter: what was learned must stay visible")
    if facts.held_out:
        every = min(LOOKS[1], max(LOOKS[0], steps // 10))
        table["evaluate_every"] = (every, "steps; the best weights are kept, the first ones among them")
    return table
