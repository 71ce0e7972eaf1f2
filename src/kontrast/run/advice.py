"""What suits the data: method, batch, queue, prototypes, crops, epochs, each with the reason in a line.

The numbers are those that `kontrast train` would take by itself; only the method is chosen here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.positives.images import papers
from kontrast.recipes.resolve import Plan, planned
from kontrast.run.plan import facts_of
from kontrast.settings import Settings

MANY = 0.1  # share of the rows of a batch with a false negative, from which on a method without negatives is advised
Advice = dict[str, dict[str, Any]]


def method_for(source: Source, share: float) -> tuple[str, str]:
    """(method, why). share: of the rows of a batch that have another of the same thing in it."""
    if source.kind == "pairs" and source.pictures is not None:
        return "clip", "pictures with captions"
    if source.pictures is None:
        return "simcse", "sentences, and their partners where they have some"
    if share > MANY:
        return "byol", f"{share:.0%} of the rows of a batch would meet their like as a negative; byol has no negatives"
    return "simclr", "the plainest; every picture of a batch is a negative of every other"


def advised(source: Source, asked: Settings, method: str, why: str, device: torch.device) -> Advice:
    """name -> {value, reason} of what a run with this method would take."""
    facts = facts_of(source, len(source.ids), device)
    machine = Settings(device=device.type, threads=torch.get_num_threads())
    plan = planned(replace(asked, method=method).over(machine), facts)
    found: Advice = {"method": {"value": method, "reason": why}}
    reasons = {choice.name: choice.reason for choice in plan.choices}
    for name in ("batch_size", "epochs", "encoder", "image_size", "lr", "temperature"):
        value = getattr(plan.settings, name)
        if value:
            found[name] = {"value": value, "reason": reasons.get(name, "as you say")}
    if source.pictures is not None:
        found |= _crops(plan, source)
        for other, field in (("moco-v2", "queue"), ("swav", "prototypes")):
            found |= _of_method(other, field, asked, facts)
    return found


def _crops(plan: Plan, source: Source) -> Advice:
    recipe = papers.recipe(plan.settings.views, plan.settings.image_size, source.channels)
    crop = recipe.views[0].crop
    if crop is None:
        return {"crops": {"value": "none", "reason": f"the views of {plan.settings.views} cut nothing"}}
    low, high = crop
    return {
        "crops": {"value": f"{low:g} to {high:g} of the area", "reason": f"as {recipe.name}; kontrast preview draws"}
    }


def _of_method(method: str, field: str, asked: Settings, facts: Any) -> Advice:
    """A number of another method, if that is chosen."""
    try:
        plan = planned(Settings(method=method, batch_size=asked.batch_size, device="cpu", threads=1), facts)
    except (Unfit, ValueError):
        return {}
    reason = next((choice.reason for choice in plan.choices if choice.name == field), "as published")
    return {field: {"value": vars(plan.config)[field], "reason": f"with {method}: {reason}"}}
